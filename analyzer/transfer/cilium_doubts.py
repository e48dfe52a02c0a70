"""What is not known of Cilium's maps where a packet needs them: listings that were not captured, and lines that were not understood."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model.gaps import network_of
from analyzer.transfer.cilium_maps import View
from analyzer.transfer.ir import KEEP, Any, End, Field, If, In, Opaque, Transfer, Unknown
from analyzer.transfer.space import seq, span_of

NEEDED = ("cilium-endpoint-map", "cilium-ipcache")


def known(view: View, then: Transfer) -> Transfer:
    """What follows where all that the programs of a node need is known."""
    missing = next((view.state.missing[kind] for kind in NEEDED if kind in view.state.missing), None)
    if missing is not None:
        return End(Unknown(f"what Cilium of {view.scope} does is not known: {missing}"))
    return seq(*doubts(view), then)


def doubts(view: View) -> Iterator[Transfer]:
    """The lines that were not understood: each could be about one of the packet's ends, where it does not begin with another network."""
    for kind in NEEDED:
        for gap in view.context.space(view.scope).gaps.get(kind, ()):
            text = f"the line of {view.scope} that was not understood ({gap.reason}) says nothing of the packet's ends"
            doubt = If(Opaque(text, gap.at), KEEP, End(Unknown(f"{gap.at} was not understood: {gap.reason}"), gap.at), gap.at)
            network = network_of(view.context.network.sources, gap)
            if network is None:
                yield doubt
            elif network.family == 4:
                ranges = (span_of(network),)
                yield If(Any((In(Field.DESTINATION, ranges), In(Field.SOURCE, ranges))), doubt, KEEP)
