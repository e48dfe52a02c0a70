"""Cilium's programs at the devices that lead out of a node, in the language: masquerading, and what passes by the host's stack.

After bpf/bpf_host.c, bpf/lib/nat.h (``snat_v4_needs_masquerade``), bpf/lib/fib.h and bpf/lib/nodeport.h. Services from outside and sockets of the host's own network are not lowered.
"""

from __future__ import annotations

from analyzer.facts.cilium import HOST, REMOTE_NODE
from analyzer.ranges import Ranges, normalised, single, union
from analyzer.source import Scope
from analyzer.transfer.cilium import services as cilium_services
from analyzer.transfer.cilium.maps import View, view
from analyzer.transfer.ir import (
    KEEP,
    All,
    Confirm,
    End,
    Field,
    If,
    In,
    Match,
    Not,
    Rewrite,
    Track,
    Transfer,
    Translate,
    Unknown,
)
from analyzer.transfer.space import Context, by_value, call, goto, seq, span_of
from analyzer.transfer.stacked import forgotten

MASQUERADED = "(cilium: masqueraded)"
PORTS: Ranges = ((32768, 65535),)
NODES = (HOST, REMOTE_NODE, 7)
REPLY = In(Field.DIRECTION, single(1))


def onto_wire(found: View, device: str) -> Transfer:
    """``cil_to_netdev``: a packet that leaves the node, with the source that the world is to see; answers to who came in keep theirs."""
    if found.state.setup.masquerading(found.context.family) != "bpf":
        return KEEP
    scope = Scope(found.scope.node, MASQUERADED)
    address = found.source_on(device)
    if address is not None:
        own = single(address.value)
        rules: Transfer = If(In(Field.SOURCE_PORT, PORTS), Rewrite(False, own, None), Rewrite(False, own, PORTS))
    else:
        rules = End(Unknown(f"the address that Cilium of {found.scope} masquerades with is not known"))
    translated = seq(forgotten(), Track(scope), Translate(scope, False, rules), Confirm(scope), forgotten())
    return If(needed(found), seq(forgotten(), Track(found.incoming), If(REPLY, forgotten(), translated)), KEEP)


def needed(found: View) -> Match:
    """The packets of endpoints of the node to addresses that are to see another source."""
    setup = found.state.setup
    native = setup.kept(found.context.family)
    kept: Ranges = (span_of(native),) if native is not None else ()
    if not setup.tunnel:
        for identity in NODES:
            kept = union(kept, found.identities.get(identity, ()))
    return All((In(Field.SOURCE, addresses(found)), Not(In(Field.DESTINATION, kept))))


def addresses(found: View) -> Ranges:
    """The addresses of the node's endpoints."""
    return normalised((entry.address.value,) * 2 for entry in found.endpoints)


def unmasqueraded(found: View) -> Transfer:
    """An answer to a masqueraded connection, for the endpoint that asked."""
    if found.state.setup.masquerading(found.context.family) != "bpf":
        return KEEP
    scope = Scope(found.scope.node, MASQUERADED)
    return seq(forgotten(), Track(scope), If(REPLY, Translate(scope, True, KEEP), KEEP), forgotten())


def past_stack(found: View) -> Transfer:
    """By the route, without the hooks of the stack."""
    scope = found.scope
    words = f"the route of {scope} is none that Cilium's programs take"
    here = If(In(Field.OUT_INTERFACE, single(0)), End(Unknown(words)), KEEP)
    return seq(call(scope, "cilium hop"), call(scope, "route input"), here, goto(scope, "leave"))


def connecting(context: Context, scope: Scope) -> Transfer:
    """A process of the host's own network sends to a service: its socket was translated when it connected."""
    found = view(context, scope)
    if found is None or found.state.setup.replacement is False or not found.state.frontends:
        return KEEP
    every = normalised((one.address.value,) * 2 for one in found.state.frontends if one.address.family == context.family)
    return If(In(Field.DESTINATION, every), call(scope, "cilium sockets"), KEEP)


def sockets_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """Comes back with packets to no service."""
    del detail
    found = view(context, scope)
    assert found is not None
    rows: dict[int, list[Transfer]] = {}
    for place in cilium_services.places(found):
        fact = place.frontend
        lost = End(Unknown(f"how sockets of {scope} are translated to {fact} is not lowered"), fact.at)
        rows.setdefault(place.value, []).append(If(place.match, lost, KEEP, fact.at))
    return by_value(Field.DESTINATION, {value: seq(*parts) for value, parts in rows.items()}, KEEP)
