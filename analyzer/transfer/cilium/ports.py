"""Services from outside in Cilium's programs, in the language: node ports, external and load balancers' addresses (bpf/lib/nodeport.h, mode SNAT).

Lowered where packets pass by the host's stack. ``cilium port`` translates a packet to a backend, ``cilium remote`` sends it to one of another node.
"""

from __future__ import annotations

from analyzer.facts.cilium import FrontendFact
from analyzer.model.cilium import HOST_DEVICE
from analyzer.ranges import Ranges, normalised, single, union
from analyzer.source import Scope
from analyzer.transfer.cilium import services as cilium_services
from analyzer.transfer.cilium.maps import View, view
from analyzer.transfer.cilium.services import Place
from analyzer.transfer.cilium.uplink import addresses, past_stack
from analyzer.transfer.ir import (
    DNAT_STATUS,
    KEEP,
    SNAT_STATUS,
    Alt,
    Assign,
    Bits,
    Confirm,
    Drop,
    End,
    Field,
    If,
    In,
    Opaque,
    Rewrite,
    Track,
    Transfer,
    Translate,
    Unknown,
)
from analyzer.transfer.space import Context, by_value, call, goto, seq, span_of
from analyzer.transfer.stacked import forgotten

PORTS, TCP = "(cilium: node ports)", 6
MODES = ("snat", "dsr", "hybrid")
SOURCE_PORTS: Ranges = ((32768, 65535),)
REPLY = In(Field.DIRECTION, single(1))
MASQUERADED = Bits(Field.STATUS, SNAT_STATUS, SNAT_STATUS)
TRANSLATED = Bits(Field.STATUS, DNAT_STATUS, DNAT_STATUS)


def served(found: View) -> bool:
    """Whether services from outside are lowered."""
    setup = found.state.setup
    return bool(setup.replacement and setup.host_routing and setup.mode in MODES and found.state.frontends)


def table(found: View) -> Scope:
    """Where the connections to node ports are kept."""
    return Scope(found.scope.node, PORTS)


def answered(found: View, device: str) -> Transfer:
    """A backend's answer goes to its client, past the stack; what is none goes on."""
    if not served(found):
        return KEEP
    scope = table(found)
    back = seq(Translate(scope, False, KEEP), Translate(scope, True, KEEP), forgotten())
    came = Assign(Field.IN_INTERFACE, found.context.names.number(device))
    return seq(forgotten(), Track(scope), If(REPLY, seq(back, came, past_stack(found)), forgotten()))


def asked(found: View, device: str) -> Transfer:
    """A packet from outside to a service; what is to none goes on, and what answers a socket of the host: none is bound to a port of a service
    (``cil_sock4_post_bind``)."""
    if found.state.setup.replacement is False or not found.state.frontends:
        return KEEP
    every = normalised((one.address.value,) * 2 for one in found.state.frontends if one.address.family == found.context.family)
    ask = call(found.scope, "cilium port", device)
    kept = If(MASQUERADED, seq(forgotten(), ask), forgotten())
    return If(In(Field.DESTINATION, every), seq(forgotten(), Track(found.scope), If(REPLY, kept, seq(forgotten(), ask))), KEEP)


def port_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """To a backend of the service, or back for a packet that is to none."""
    found = view(context, scope)
    assert found is not None
    rows: dict[int, list[Transfer]] = {}
    for place in outer(found):
        then = effect(found, place) if served(found) else unserved(found, place)
        rows.setdefault(place.value, []).append(If(place.match, then, KEEP, place.frontend.at))
    rules = by_value(Field.DESTINATION, {value: seq(*parts) for value, parts in rows.items()}, KEEP)
    if not served(found):
        return rules
    here = seq(Confirm(table(found)), forgotten(), goto(scope, "cilium sender", f"{found.world} cilium to"))
    there = goto(scope, "cilium sender", f"{found.world} cilium remote {detail}")
    onward = If(In(Field.DESTINATION, addresses(found)), here, there)
    return seq(forgotten(), Track(table(found)), Translate(table(found), True, rules), If(TRANSLATED, onward, forgotten()))


def outer(found: View) -> list[Place]:
    """The frontends for clients outside: those with a port before those that refuse every other one."""
    named: dict[tuple[int, int, int], Place] = {}
    for exact in (True, False):
        for one in found.state.frontends:
            if one.address.family == found.context.family and not one.internal and bool(one.protocol) is exact:
                for protocol in (one.protocol,) if one.protocol else cilium_services.SERVED:
                    value, port = one.address.value, one.port
                    named.setdefault((value, port, protocol), Place(value, port, protocol, one))
    return sorted(named.values(), key=lambda place: not place.port)


def unserved(found: View, place: Place) -> Transfer:
    """Services from outside that are not lowered."""
    words = f"what Cilium of {found.scope} does from outside for {place.frontend} is not lowered"
    return End(Unknown(words), place.frontend.at)


def effect(found: View, place: Place) -> Transfer:
    """What becomes of the first packet of a connection to a frontend."""
    frontend, scope = place.frontend, found.scope
    if "non-routable" in frontend.flags:
        words = f"{scope}: Cilium drops the packet (Is a ClusterIP): {frontend} is for clients in the cluster alone"
        return End(Drop(words), frontend.at)
    if "check source-range" in frontend.flags and found.state.sources is None:
        return End(Unknown(f"which sources {frontend} of {scope} admits was not captured"), frontend.at)
    return asked_by(found, frontend, to_backends(found, place))


def asked_by(found: View, frontend: FrontendFact, then: Transfer) -> Transfer:
    """What becomes of packets of those who may ask (``lb4_src_range_ok``)."""
    if "check source-range" not in frontend.flags or found.state.sources is None:
        return then
    family = found.context.family
    listed = In(
        Field.SOURCE, normalised(span_of(one) for one in found.state.sources.get(frontend.reverse, ()) if one.family == family)
    )
    words = f"{found.scope}: Cilium drops the packet (Not in source range): its source may not ask {frontend}"
    lost = End(Drop(words), frontend.at)
    doubts = []
    for gap in found.context.space(found.scope).gaps.get("cilium-source-ranges", ()):
        text = f"the line of {found.scope} that was not understood ({gap.reason}) is about others"
        doubts.append(If(Opaque(text, gap.at), KEEP, End(Unknown(f"{gap.at} was not understood: {gap.reason}"), gap.at), gap.at))
    return seq(*doubts, If(listed, lost, then) if "deny" in frontend.flags else If(listed, then, lost))


def to_backends(found: View, place: Place) -> Transfer:
    """To one of the backends. With DSR those of other nodes answer the client themselves, which is not lowered."""
    frontend, scope = place.frontend, found.scope
    if frontend.proxy or frontend.lost or not frontend.backends:
        return cilium_services.refused(found, place)
    own = {entry.address.value for entry in found.endpoints}
    branches: list[Transfer] = []
    for one in frontend.backends:
        if "HostPort" in frontend.flags and one.address.value not in own:
            words = f"{scope}: Cilium drops the packet: {one.address} of {frontend} is no endpoint of the node"
            branches.append(End(Drop(words), one.at))
        elif one.address.value not in own and by_itself(found, place):
            words = f"how {one.address}, a backend of another node, answers the clients of {frontend} itself (DSR) is not lowered"
            branches.append(End(Unknown(words), one.at))
        else:
            branches.append(Rewrite(True, single(one.address.value), single(one.port) if one.port else None, one.at))
    return branches[0] if len(branches) == 1 else Alt(tuple(branches), frontend.at)


def by_itself(found: View, place: Place) -> bool:
    """Whether backends of other nodes answer the client themselves."""
    mode = found.state.setup.mode
    return "dsr" in place.frontend.flags or mode == "dsr" or (mode == "hybrid" and place.protocol == TCP)


def remote(found: View, device: str) -> Transfer:
    """A packet to a backend of another node comes from an address of this one: the router's in the tunnel, else the device's."""
    tunnelled: Ranges = ()
    for _, ranges, _ in found.nodes if found.state.setup.tunnel else ():
        tunnelled = union(tunnelled, ranges)
    rules = (
        If(In(Field.DESTINATION, tunnelled), source(found, HOST_DEVICE), source(found, device))
        if tunnelled
        else source(found, device)
    )
    return seq(Translate(table(found), False, rules), Confirm(table(found)), forgotten())


def source(found: View, device: str) -> Transfer:
    """From the first address of a device; the port is kept where it is one of those that are used."""
    own = found.source_on(device)
    if own is None:
        return End(Unknown(f"the address that {found.scope} asks backends of other nodes from is not known"))
    kept = Rewrite(False, single(own.value), None)
    return If(In(Field.SOURCE_PORT, SOURCE_PORTS), kept, Rewrite(False, single(own.value), SOURCE_PORTS))
