"""What is not known of Cilium's maps where a packet needs them: listings that were not captured, and lines that were not understood."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model.gaps import network_of
from analyzer.ranges import normalised, single
from analyzer.transfer.cilium.maps import View
from analyzer.transfer.ir import KEEP, Any, Drop, End, Field, If, In, Opaque, Transfer, Unknown
from analyzer.transfer.space import seq, span_of

SCTP = 132
NEEDED = ("cilium-endpoint-map", "cilium-ipcache")


def known(view: View, then: Transfer) -> Transfer:
    """What follows where all that the programs of a node need is known."""
    missing = next((view.state.missing[kind] for kind in NEEDED if kind in view.state.missing), None)
    if missing is not None:
        return End(Unknown(f"what Cilium of {view.scope} does is not known: {missing}"))
    return seq(*doubts(view), then)


def doubts(view: View) -> Iterator[Transfer]:
    """The lines that were not understood: each could be about one of the packet's ends, where it does not begin with another network. Behind one that could be
    about any packet, no other is asked: it stands for them."""
    for kind in NEEDED:
        for gap in view.context.space(view.scope).gaps.get(kind, ()):
            text = f"the line of {view.scope} that was not understood ({gap.reason}) says nothing of the packet's ends"
            doubt = If(Opaque(text, gap.at), KEEP, End(Unknown(f"{gap.at} was not understood: {gap.reason}"), gap.at), gap.at)
            network = network_of(view.context.network.sources, gap)
            if network is None:
                yield doubt
                return
            if network.family == view.context.family:
                ranges = (span_of(network),)
                yield If(Any((In(Field.DESTINATION, ranges), In(Field.SOURCE, ranges))), doubt, KEEP)


def foreign(view: View) -> Transfer:
    """The end of packets of SCTP where Cilium does not take them (bpf/lib/conntrack.h ``ct_extract_ports4``)."""
    if view.state.setup.sctp is not False:
        return KEEP
    words = f"{view.scope}: Cilium drops the packet (CT: Unknown L4 protocol): SCTP is off (enable-sctp)"
    return If(In(Field.PROTOCOL, single(SCTP)), End(Drop(words)), KEEP)


def encrypted(view: View, then: Transfer) -> Transfer:
    """A packet to another node, while packets between nodes are encrypted, which is not lowered."""
    kind = view.state.setup.encryption
    if not kind:
        return then
    text = f"what {view.scope} encrypts between nodes ({kind}) gets there as the rest does"
    return If(Opaque(text), then, End(Unknown(f"it is not known whether {text}")))


def at_host(view: View, then: Transfer) -> Transfer:
    """A packet of the host, or for it, while host policies may be enforced, which are not lowered."""
    firewall = view.state.setup.firewall
    if firewall is None:
        words = f"the host firewall of {view.scope} is off, as it is by default ({view.state.settles}/cilium_status_--verbose)"
        view.context.assume(words)
    if not firewall:
        return then
    text = f"host policies of {view.scope} let the packet pass (its host firewall is on)"
    return If(Opaque(text), then, End(Unknown(f"it is not known whether {text}")))


def if_of_host(view: View, field: Field) -> Transfer:
    """``at_host`` for packets with an address of the host at one end."""
    held = normalised((entry.address.value,) * 2 for entry in view.entries if entry.host)
    guarded = at_host(view, KEEP)
    return If(In(field, held), guarded, KEEP) if guarded != KEEP else KEEP
