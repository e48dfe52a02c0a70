"""Cilium's programs in the language, as they follow from its maps: the programs themselves are not read.

After bpf/bpf_lxc.c, bpf_overlay.c, bpf_host.c, bpf/lib/l3.h and bpf/lib/encap.h. Packets of pods come by ``cilium from``, go on at ``cilium route``, and reach an endpoint of the node
by ``cilium endpoint``; what a tunnel carried goes on at ``cilium overlay``, what the host's stack sends at ``cilium host``. The identity of the sender, which programs carry in
marks and in the tunnel's number, stands in the point's detail. Its connections are those of scopes of their own (``View.outgoing``, ``View.incoming``).
"""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.facts.cilium import HOST, LOWEST, REMOTE_NODE, UNKNOWN
from analyzer.facts.links import LinkFact
from analyzer.model.cilium import HOST_DEVICE
from analyzer.model.network import Interface
from analyzer.ranges import Ranges, difference, single, union
from analyzer.source import Scope, Span
from analyzer.transfer.carried import outer
from analyzer.transfer.cilium import egress as cilium_egress
from analyzer.transfer.cilium import policy as cilium_policy
from analyzer.transfer.cilium import ports as cilium_ports
from analyzer.transfer.cilium import services as cilium_services
from analyzer.transfer.cilium import uplink as cilium_uplink
from analyzer.transfer.cilium.delivery import handed
from analyzer.transfer.cilium.doubts import at_host, encrypted, foreign, if_of_host, known
from analyzer.transfer.cilium.maps import View, numbers, view
from analyzer.transfer.cilium.services import LOOPBACK
from analyzer.transfer.ir import (
    DNAT_STATUS,
    KEEP,
    All,
    Assign,
    Bits,
    Confirm,
    Drop,
    End,
    Field,
    If,
    In,
    Rewrite,
    Track,
    Transfer,
    Translate,
    Unknown,
)
from analyzer.transfer.space import Context, by_value, call, dispatch, drop, everything, goto, seq
from analyzer.transfer.stacked import forgotten

READ = "Cilium's programs on {} do what their maps say; the programs were not read"
REPLY = In(Field.DIRECTION, single(1))
UDP = 17
MAGIC, OF_HOST, OF_IDENTITY = 0x0F00, 0x0C00, 0x0F00
WHOLE_MARK = 0xFFFF0FFF


def arriving(context: Context, scope: Scope, device: str, onward: Transfer) -> Transfer | None:
    """A packet comes in at a device with a program of Cilium; None: there is none, or not one that is lowered."""
    found = view(context, scope)
    if found is None or not found.programmed(device):
        return None
    context.assume(READ.format(scope))
    if device in found.state.devices:
        return goto(scope, "cilium from", device)
    return seq(from_outside(found, device), onward) if found.leads_out(device) else onward


def leaving(context: Context, scope: Scope, device: str, onward: Transfer) -> Transfer | None:
    """A packet leaves by a device with a program of Cilium; None: there is none, or not one that is lowered."""
    found = view(context, scope)
    if found is None or not found.programmed(device):
        return None
    if device == HOST_DEVICE:
        context.assume(READ.format(scope))
        return goto(scope, "cilium host")
    if device in found.state.devices and found.state.setup.endpoint_routes:
        context.assume(READ.format(scope))
        return known(found, by_sender(found, "cilium container", device))
    return (
        seq(if_of_host(found, Field.SOURCE), cilium_uplink.onto_wire(found, device), onward)
        if found.leads_out(device)
        else onward
    )


def of(context: Context, scope: Scope) -> View:
    """The maps of a node that is known to have them."""
    found = view(context, scope)
    assert found is not None
    return found


def from_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """``cil_from_container``: the source, then the service and egress policy, unless the packet is an answer."""
    found = of(context, scope)
    state = found.state
    endpoint = state.devices[detail]
    identity = state.identity_of(endpoint)
    link = context.space(scope).links[detail]
    if identity is None:
        words = f"{state.settles}/cilium_endpoint_list names no identity of endpoint {endpoint}"
        return End(Unknown(f"what Cilium's program at {Interface(scope, detail)} does is not known: {words}"), link.at)
    entry = state.entry_of(endpoint, context.family)
    words = f"{scope}: Cilium drops the packet (Invalid source ip): it is none of endpoint {endpoint}"
    wrong = End(Drop(words), entry.at if entry is not None else link.at)
    onward = goto(scope, "cilium route", detail)
    ready = seq(
        If(In(Field.SOURCE, found.own(endpoint)), KEEP, wrong),
        forgotten(),
        Track(found.incoming),
        If(
            REPLY,
            seq(forgotten(), cilium_ports.answered(found, detail), onward),
            seq(forgotten(), opened(found, endpoint), onward),
        ),
    )
    return known(found, seq(foreign(found), ready))


def opened(found: View, endpoint: int) -> Transfer:
    """To the backend of the packet's service, if egress policy lets it. An endpoint that reaches itself so is not asked for policy."""
    own = found.own(endpoint)
    unsaid = End(Unknown(f"how an endpoint of {found.scope} reaches itself by a service in IPv6 is not lowered"))
    itself = If(
        All((Bits(Field.STATUS, DNAT_STATUS, DNAT_STATUS), In(Field.DESTINATION, own))),
        Rewrite(False, single(LOOPBACK), None) if found.context.family == 4 else unsaid,
        KEEP,
    )
    return seq(
        Track(found.outgoing),
        Translate(found.outgoing, True, cilium_services.balanced(found)),
        Translate(found.outgoing, False, itself),
        unless_looped(found, cilium_policy.to(found, endpoint)),
        Confirm(found.outgoing),
        forgotten(),
        cilium_egress.redirected(found, own),
    )


def unless_looped(found: View, policy: Transfer) -> Transfer:
    """Policy, but for an endpoint that reaches itself."""
    return If(In(Field.SOURCE, single(LOOPBACK)), KEEP, policy) if found.context.family == 4 else policy


def route_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """Where a packet of an endpoint goes: to another of the node, to the host, into the tunnel, or on by the stack."""
    found = of(context, scope)
    setup, identity = found.state.setup, found.state.identity_of(found.state.devices[detail]) or UNKNOWN
    own = next((entry for entry in found.endpoints if entry.identifier == found.state.devices[detail]), None)
    stack = to_stack(found, detail, identity)
    rows: dict[int, Transfer] = {}
    for entry in found.entries:
        here = goto(scope, "cilium endpoint", f"{entry.identifier} {identity} {entry.address.value}")
        if entry.host:
            rows[entry.address.value] = at_host(found, stack)
        else:
            looped = In(Field.SOURCE, single(LOOPBACK))
            apart = If(looped, here, stack) if context.family == 4 else stack
            rows[entry.address.value] = apart if setup.endpoint_routes else here
    if own is not None and context.family == 4:
        rows[LOOPBACK] = goto(scope, "cilium endpoint", f"{own.identifier} {identity} {own.address.value}")
    return by_value(Field.DESTINATION, rows, encrypted(found, into_tunnel(found, identity, beyond(found, stack))))


def beyond(found: View, stack: Transfer) -> Transfer:
    """A packet to no endpoint of the node, and behind no node of the tunnel: the stack goes on, unless it is passed by."""
    setup, settles = found.state.setup, f"{found.state.settles}/cilium_status_--verbose"
    if setup.tunnel is None:
        return End(Unknown(f"whether Cilium of {found.scope} tunnels is not known ({settles})"))
    if setup.host_routing is None:
        return End(Unknown(f"whether {found.scope} passes by its stack (eBPF host routing) is not known ({settles})"))
    return cilium_uplink.past_stack(found) if setup.host_routing else stack


def to_stack(found: View, device: str, identity: int) -> Transfer:
    """The host's stack goes on with a packet that is marked with its sender's identity."""
    hop = KEEP if found.state.setup.endpoint_routes else call(found.scope, "cilium hop")
    mark = Assign(Field.MARK, marked(identity))
    return seq(hop, mark, forgotten(), goto(found.scope, "ip receive", device))


def marked(identity: int) -> int:
    """The mark with an identity (``set_identity_mark``)."""
    return (identity & 0xFFFF) << 16 | (identity & 0xFF0000) >> 16 | OF_IDENTITY


def hop_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """One hop less to live (``ipv4_l3``)."""
    del context, detail
    rows: dict[int, Transfer] = {value: Assign(Field.TTL, value - 1) for value in range(2, 256)}
    rows[1] = drop(f"{scope}: the TTL of the packet is used up")
    return by_value(Field.TTL, rows, KEEP)


def into_tunnel(found: View, identity: int, otherwise: Transfer) -> Transfer:
    """The nodes behind which addresses are, where there is a tunnel."""
    if not found.state.setup.tunnel:
        return otherwise
    for node, ranges, at in reversed(found.nodes):
        otherwise = If(In(Field.DESTINATION, ranges), encapsulated(found, node, identity, at), otherwise, at)
    return otherwise


def encapsulated(found: View, node: Address, identity: int, at: Span) -> Transfer:
    """Into the tunnel; the host's own identity is a remote node's for others."""
    device = found.state.tunnel_device
    link = found.context.space(found.scope).links.get(device)
    if link is None or not link.up:
        what = f"{found.scope} {device}" if device else f"the tunnel device of {found.scope}"
        return End(Drop(f"{what} is {'down' if link else 'not there'}"), link.at if link else at)
    number = REMOTE_NODE if identity == HOST else identity
    return outer(found.context, Interface(found.scope, device), label(link, number), UDP, found.state.port, None, node, at)


def label(link: LinkFact, identity: int) -> str:
    """What tells the tunnel's packets of identities apart, for a kind of tunnel."""
    return f"cilium {type(link.kind).__name__} {identity}"


def overlay_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """``cil_from_overlay``: the identity of a packet that a tunnel device took out."""
    link = context.space(scope).links[detail]
    found = view(context, scope)
    if found is None or detail != found.state.tunnel_device:
        return End(Unknown(f"what Cilium of {scope} does is not known: none of its maps was captured"), link.at)
    context.assume(READ.format(scope))
    rows = {
        context.names.number(label(link, identity)): seq(Assign(Field.IN_INTERFACE, 0), taken_out(found, identity))
        for identity in numbers(context)
    }
    others = End(Unknown(f"{scope} {detail} takes what no agent of the capture sent"), link.at)
    return known(found, seq(cilium_ports.answered(found, detail), by_value(Field.IN_INTERFACE, rows, others)))


def taken_out(found: View, identity: int) -> Transfer:
    """A packet of the tunnel: those of nodes are of the identity that the ipcache has for their source."""
    if identity == REMOTE_NODE:
        return goto(found.scope, "cilium node")
    return goto(found.scope, "cilium taken", str(identity))


def node_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A packet that a node sent in the tunnel, its own or another's."""
    del detail
    known = [(pair, identity) for pair, identity in of(context, scope).senders if identity != REMOTE_NODE]
    rows = [(pair, goto(scope, "cilium taken", str(identity))) for pair, identity in known]
    return dispatch(Field.SOURCE, rows, goto(scope, "cilium taken", str(REMOTE_NODE)))


def taken_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """To an endpoint of the node, else to the host."""
    found = of(context, scope)
    host = seq(call(scope, "cilium hop"), forgotten(), goto(scope, "ip receive", HOST_DEVICE))
    return by_value(Field.DESTINATION, local(found, int(detail)), at_host(found, host))


def local(found: View, identity: int) -> dict[int, Transfer]:
    """The endpoints of the node, by address, for packets of a sender."""
    return {
        entry.address.value: goto(found.scope, "cilium endpoint", f"{entry.identifier} {identity} {entry.address.value}")
        for entry in found.endpoints
    }


def host_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """``cil_from_host``: what the host's stack sends by ``cilium_host``."""
    del detail
    found = of(context, scope)
    return known(found, at_host(found, by_sender(found, "cilium to", "")))


def by_sender(found: View, stage: str, more: str) -> Transfer:
    """By the identity of the sender of a packet from the stack: by its mark, else by its source (``inherit_identity_from_host``, ``resolve_srcid_ipv4``)."""
    after = f"{stage} {more}".rstrip()
    carried: Transfer = End(
        Unknown(f"the mark of a packet of {found.scope} carries an identity that no endpoint of the node has")
    )
    for identity in sorted({entry.identity for entry in found.endpoints if entry.identity >= LOWEST}):
        known = goto(found.scope, stage, f"{identity} {more}".rstrip())
        carried = If(Bits(Field.MARK, WHOLE_MARK, marked(identity)), known, carried)
    others = If(Bits(Field.MARK, MAGIC, OF_IDENTITY), carried, goto(found.scope, "cilium sender", f"{found.world} {after}"))
    return If(Bits(Field.MARK, MAGIC, OF_HOST), goto(found.scope, "cilium sender", f"{HOST} {after}"), others)


def sender_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """By the source of a packet, for a stage whose detail begins with the identity; what has none is of the identity that is given."""
    given, stage, more = detail.split(" ", 2)[0], " ".join(detail.split()[1:3]), " ".join(detail.split()[3:])
    ends: dict[int, Transfer] = {}

    def then(identity: int) -> Transfer:
        own = int(given) if identity in (UNKNOWN, HOST) else identity
        return ends.setdefault(own, goto(scope, stage, f"{own} {more}".rstrip()))

    rows = [(pair, then(identity)) for pair, identity in of(context, scope).senders]
    return dispatch(Field.SOURCE, rows, then(UNKNOWN))


def to_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A packet from the stack goes to an endpoint of the node, or into the tunnel."""
    found = of(context, scope)
    identity = int(detail)
    rows = {value: seq(Assign(Field.MARK, 0), then) for value, then in local(found, identity).items()}
    for entry in found.entries:
        if entry.host:
            rows[entry.address.value] = End(
                Unknown(f"what Cilium of {scope} does with a packet of the host to {entry.address} is not lowered")
            )
    lost = f"{scope}: Cilium drops the packet (No tunnel/encapsulation endpoint): it is for no endpoint of the node, and behind no node of the ipcache"
    nowhere = (
        drop(lost) if found.state.setup.tunnel is not None else End(Unknown(f"whether Cilium of {scope} tunnels is not known"))
    )
    return by_value(Field.DESTINATION, rows, encrypted(found, into_tunnel(found, identity, nowhere)))


def remote_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A packet from outside to a backend of another node: ``IDENTITY DEVICE``."""
    found = of(context, scope)
    identity, device = detail.split(" ", 1)
    onward = into_tunnel(found, int(identity), cilium_uplink.past_stack(found))
    return seq(
        cilium_ports.remote(found, device), Assign(Field.IN_INTERFACE, context.names.number(device)), encrypted(found, onward)
    )


def container_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """``cil_to_container``: what the stack routes to a pod's own device (endpoint routes)."""
    found = of(context, scope)
    identity, device = detail.split(" ", 1)
    endpoint = found.state.devices[device]
    entry = found.state.entry_of(endpoint, context.family)
    if entry is None:
        words = found.state.missing.get("cilium-endpoint-map", f"the endpoint map has none with number {endpoint}")
        return End(Unknown(f"what Cilium of {scope} does with a packet for endpoint {endpoint} is not known: {words}"))
    return seq(Assign(Field.MARK, 0), goto(scope, "cilium endpoint", f"{endpoint} {identity} {entry.address.value} routed"))


def endpoint_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """To an endpoint of the node: an answer as its connection wants it, else what ingress policy lets pass."""
    found = of(context, scope)
    identifier, number, value, *routed = detail.split()
    endpoint, identity = int(identifier), int(number)
    entry = next(one for one in found.endpoints if one.address.value == int(value))
    answer = seq(Translate(found.outgoing, False, KEEP), Translate(found.outgoing, True, KEEP), forgotten())
    policy = cilium_policy.of(found, endpoint, identity)
    if identity == entry.identity:
        policy = unless_looped(found, policy)
    asked = seq(foreign(found), forgotten(), Track(found.incoming), policy, Confirm(found.incoming), forgotten())
    return seq(
        KEEP if routed else call(scope, "cilium hop"),
        forgotten(),
        Track(found.outgoing),
        If(REPLY, answer, asked),
        handed(found, entry),
    )


def from_outside(found: View, device: str) -> Transfer:
    """``cil_from_netdev``: services from outside, pods of the node where the stack is passed by."""
    setup, scope = found.state.setup, found.scope
    pods = In(Field.DESTINATION, cilium_uplink.addresses(found))
    here: Transfer = KEEP
    if setup.host_routing:
        here = If(pods, goto(scope, "cilium sender", f"{found.world} cilium to"), KEEP)
    elif setup.host_routing is None:
        words = f"whether {scope} passes by its stack (eBPF host routing) is not known ({found.state.settles}/cilium_status_--verbose)"
        here = If(pods, End(Unknown(words)), KEEP)
    return seq(
        cilium_uplink.unmasqueraded(found),
        if_of_host(found, Field.DESTINATION),
        cilium_ports.answered(found, device),
        cilium_ports.asked(found, device),
        here,
    )


def answers(context: Context, at: Interface) -> Ranges | None:
    """The addresses whose questions a program at a device answers: in IPv4 all but the endpoint's own (``tail_handle_arp``), in IPv6 the router's and
    those of the node's endpoints (``__icmp6_handle_ns``); None: there is none."""
    found = view(context, at.scope)
    endpoint = found.state.devices.get(at.device) if found is not None else None
    if found is None or endpoint is None:
        return None
    known = found.own(endpoint)
    if context.family == 4:
        return difference(everything(32), known)
    return difference(union(cilium_uplink.addresses(found), found.routers), known)
