"""Packets that come in from outside the capture to the node ports of services: from every address that is nobody's in the cluster, on every node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import product

from analyzer.addresses import Address, Prefix, prefix_of
from analyzer.addresses import prefix as read_prefix
from analyzer.model.network import Interface, Network
from analyzer.model.wires import shareable
from analyzer.query.agreement import ALL, FEW, differing, slim, spaced
from analyzer.query.failures import REPLY
from analyzer.query.flows import PORTED, PORTS, Aim, Analysis, Back, Lost, asking, failure, followed, origin, spelled, strange
from analyzer.query.once import Whole
from analyzer.query.pair_sets import PairSet, pair_set
from analyzer.query.parties import Party, Portal, decidable, nearby, nodes, owners, pods, rows_of
from analyzer.query.plan import node_networks, on_link
from analyzer.query.policies import may_refuse
from analyzer.query.published import Published, published
from analyzer.query.reach import EXCUSED, Reach, admission_of, keep, record
from analyzer.query.replay import Replay, packet_of, weighed
from analyzer.query.sending import asking_ports, left_out
from analyzer.query.service_admission import Ruled, Ruling, by_strangers, ruled
from analyzer.query.service_agreement import unwanted_arrivals, wanted_losses
from analyzer.query.service_arrivals import Told, perhaps, told
from analyzer.query.visiting import LOSSES, visit
from analyzer.ranges import Ranges, difference, normalised, single
from analyzer.solve.packet import SYN, Trace
from analyzer.solve.sets.neglected import Neglect
from analyzer.solve.sets.picking import points
from analyzer.solve.sets.regions import Result, State, narrowed, start
from analyzer.solve.sets.sifting import combinations
from analyzer.solve.smt.symbolic import Encoder
from analyzer.solve.smt.ways import Way
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Scope
from analyzer.transfer import ir
from analyzer.transfer.graph import NetworkProgram
from analyzer.transfer.ir import Field

STRANGER = {4: Address(4, 0xC6336407), 6: Address(6, 0x20010DB8 << 96 | 7)}
"""Addresses for documentation (RFC 5737, RFC 3849), which nobody has."""
HOSTS: Mapping[int, Ranges] = {
    4: ((1 << 24, (127 << 24) - 1), (128 << 24, 0xA9FDFFFF), (0xA9FF0000, (224 << 24) - 1)),
    6: ((1 << 125, (1 << 126) - 1),),
}
"""What a host may have as its address: neither 0.0.0.0/8, loopback, link-local nor multicast; global unicast."""
PRIVATE = tuple(map(read_prefix, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
"""RFC 1918 and RFC 6598."""
ASKED = (Field.PROTOCOL, Field.DESTINATION, Field.DESTINATION_PORT)
Entrance = tuple[Party, Interface]


@dataclass(frozen=True, slots=True)
class Gate:
    """The node ports of a family with the nodes that are to answer on them, and what asks there. ``anywhere``: what comes in at the one node is
    for addresses that are no node's."""

    aim: Aim
    ways: tuple[Entrance, ...]
    strangers: Ranges
    names: Mapping[tuple[int, int, int], str]
    governed: frozenset[str]
    anywhere: bool = False

    def asked(self, party: Party) -> list[tuple[int, int, int]]:
        """What is asked where packets come in at a node."""
        return [key for key in self.names if self.anywhere or key[1] == party.address.value]

    @property
    def senders(self) -> tuple[Entrance, ...]:
        """Where packets come in."""
        return self.ways


def entrances(network: Network, family: int) -> list[Entrance]:
    """The nodes with the interface that has their address, where the other end of it is outside the capture."""
    uplinks = {(item.interface.scope, item.address): item.interface for item in node_networks(network)}
    found = [(party, uplinks.get((party.scope, party.address))) for party in nodes(network, family)]
    return [(party, at) for party, at in found if at is not None]


def stranger(network: Network, family: int) -> Address:
    """An address that is on no network of the capture."""
    return one_stranger(Whole(network), family)


@lru_cache(maxsize=2)
def one_stranger(whole: Whole, family: int) -> Address:
    """The same, once for all who ask."""
    own = [Prefix(item.address.family, item.prefix.value, item.prefix.length) for item in node_networks(whole.network)]
    address = STRANGER[family]
    return address if not any(prefix.covers(address) for prefix in own) else Address(family, address.value + 1)


def strangers(network: Network, family: int) -> Ranges:
    """The addresses of hosts that are on no network that the cluster states or a node or a pod is on, nor in a private block of pods or services."""
    known = [item.prefix for item in network.cluster.ranges] + [item.prefix for item in on_link(network)]
    held = [(prefix.value, prefix.last) for prefix in (*known, *reserved(network)) if prefix.family == family and prefix.length]
    held += [(address.value, address.value) for address in network.owners if address.family == family]
    return difference(HOSTS[family], normalised(held))


def uncaptured(network: Network, family: int) -> Ranges:
    """The addresses that nobody in the capture has, nor a pod or a service could have: neighbours of nodes among them, and no network's own or its
    broadcast address (RFC 1122, 3.2.1.3)."""
    known = [item.prefix for item in network.cluster.ranges if item.purpose in ("pod", "service")]
    held = [(prefix.value, prefix.last) for prefix in known if prefix.family == family and prefix.length]
    near = [item.prefix for item in on_link(network) if item.prefix.family == 4 == family and item.prefix.length < 31]
    held += [(value, value) for prefix in near for value in (prefix.value, prefix.last)]
    held += [(address.value, address.value) for address in network.owners if address.family == family]
    return difference(HOSTS[family], normalised(held))


def reserved(network: Network) -> tuple[Prefix, ...]:
    """The private blocks that pods and services have addresses of: the whole network of either is seldom stated. Beside them the other networks
    that pods are on (their second interfaces), where an answer would not leave the pod's own link."""
    own = [item.prefix for item in network.cluster.ranges if item.purpose in ("pod", "service")]
    own += [prefix_of(address, 32) for item in network.attachments for address in item.addresses if address.family == 4]
    blocks = [block for block in PRIVATE if any(prefix.family == 4 and block.covers(prefix) for prefix in own)]
    known = [*blocks, *(item.prefix for item in network.cluster.ranges), *(item.prefix for item in on_link(network))]
    others = {near for near in of_pods(network) if not any(prefix.covers(near) for prefix in known)}
    return (*blocks, *sorted(others))


def of_pods(network: Network) -> set[Prefix]:
    """The networks that pods' interfaces are on."""
    spaces = (space for scope, space in network.namespaces.items() if scope.namespace)
    return {near for space in spaces for fact in space.addresses if (near := shareable(fact)) is not None}


def gates(network: Network, family: int) -> Iterator[Gate]:
    """All node ports of a family whose endpoints were captured; and service ports at addresses for the world outside, on each node."""
    ways = tuple(entrances(network, family))
    if ways:
        yield from at_nodes(network, family, ways)
        open_ones = list(published(network, family))
        for way in ways if open_ones else ():
            for sources in dict.fromkeys(one.sources for one in open_ones):
                yield from at_published(network, family, way, [one for one in open_ones if one.sources == sources])


def at_nodes(network: Network, family: int, ways: tuple[Entrance, ...]) -> Iterator[Gate]:
    """The node ports."""
    translated: dict[tuple[int, int, int], frozenset[tuple[int, int]]] = {}
    names: dict[tuple[int, int, int], str] = {}
    ruled: set[str] = set()
    for portal in decidable(network, family, ("Cluster", "Local")):
        for party, _ in ways if portal.node_port else ():
            if served := answering(portal, network, party):
                key = (portal.protocol, party.address.value, portal.node_port)
                translated[key] = served
                names[key] = f"{party.name} port {portal.node_port} (svc:{portal.name})"
                ruled |= {names[key]} if any(governed(network, address, family) for address, _ in served) else set()
    if translated:
        yield Gate(aim_of(network, family, translated), ways, strangers(network, family), names, frozenset(ruled))


def at_published(network: Network, family: int, way: Entrance, found: Sequence[Published]) -> Iterator[Gate]:
    """Ports at addresses for the world outside, all for the same sources, where packets come in at one node."""
    translated: dict[tuple[int, int, int], frozenset[tuple[int, int]]] = {}
    names: dict[tuple[int, int, int], str] = {}
    ruled: set[str] = set()
    for portal, _ in found:
        if served := answering(portal, network, way[0]):
            key = (portal.protocol, portal.address.value, portal.port)
            translated[key] = translated.get(key, frozenset()) | served
            names[key] = f"{way[0].name} for {portal.address} port {portal.port} (svc:{portal.name})"
            ruled |= {names[key]} if any(governed(network, address, family) for address, _ in served) else set()
    asking = found[0].among(strangers(network, family))
    if not asking and found[0].sources:
        asking = found[0].among(uncaptured(network, family))
    if translated and asking:
        yield Gate(aim_of(network, family, translated), (way,), asking, names, frozenset(ruled), anywhere=True)


def aim_of(network: Network, family: int, translated: Mapping[tuple[int, int, int], frozenset[tuple[int, int]]]) -> Aim:
    """Service ports that lead to pods and nodes."""
    holders = owners((*pods(network, family), *nodes(network, family)))
    scopes = {value: frozenset(party.scope for party in found) for value, found in holders.items()}
    return Aim(family, PORTED, PORTS, scopes, translated)


def answering(portal: Portal, network: Network, party: Party) -> frozenset[tuple[int, int]]:
    """The endpoints that answer on a node: with externalTrafficPolicy Local its own ones only."""
    if portal.service is None or portal.service.external_policy != "Local":
        return portal.endpoints
    return nearby(network, portal, party.scope.node)


def governed(network: Network, value: int, family: int) -> bool:
    """Whether a policy may refuse an endpoint what comes from outside."""
    holders = (pod for pod in network.cluster.pods.values() if Address(family, value) in pod.addresses)
    return any(may_refuse(network, pod) for pod in holders)


def from_outside(network: Network, program: NetworkProgram, gate: Gate, dead: Neglect) -> Reach:
    """What becomes of every packet from outside to a node port, and of its answer."""
    reach = Reach(pairs=len(gate.names))
    ports = asking_ports(network)
    starts = [(program.arrival(at), begun(gate, party, ports)) for party, at in gate.ways if gate.asked(party)]

    def back(result: Result, own: Analysis) -> Back:
        lost = returns(gate.aim, result, own)
        return lost, [] if lost else list(entering(program, gate, result.state))

    found = followed(program, program.start, gate.aim, starts, back, dead)
    reach.assumptions.update(dict.fromkeys(program.assumptions_at(found.points)))
    reach.assumptions.update(found.assumptions)
    reach.assumptions.update(dict.fromkeys(left_out(network, ports)))
    reach.assumptions.update(
        (f"nobody outside has an address in {block}, where pods or services are", None) for block in reserved(network)
    )
    reach.rules = found.count.rules
    ruling = ruling_of(network, gate)
    for item in found.lost:
        for part in by_node(gate, item.state):
            settle(network, reach, gate, item._replace(state=part), ruling)
    if ruling is not None:
        reach.governed = len(gate.governed)
        reach.unenforced.update(dict.fromkeys(perhaps(ruling, found.lost)))
        for one in told(ruling, found.delivered, partial(sent, network, gate)):
            asked = keys(one.item.state) if isinstance(one, Told) else ()
            keep(reach, one, named(gate, asked))
    reach.doubts.update(dict.fromkeys(rivals(network, gate)))
    if not (reach.failures or reach.doubts or reach.left):
        reach.doubts.update(dict.fromkeys(unshared(network, program, gate, ports, reach)))
    return reach


def rivals(network: Network, gate: Gate) -> Iterator[str]:
    """Who else answers for a node's address on the network outside (``arp_ignore`` 0): which of them a router there asks is not known."""
    for party, at in gate.ways:
        for other in network.owners.get(party.address, ()) if gate.asked(party) else ():
            if other.scope not in (party.scope, at.scope) and (
                other in network.outside or not keeps_silent(network, other.scope)
            ):
                yield f"{other.scope} has {party.address} of {party.name} too: which of them answers outside is not known"


def keeps_silent(network: Network, scope: Scope) -> bool:
    """Whether a namespace answers at its uplinks only for what these have (``arp_ignore`` from 1 on)."""
    space = network.namespaces[scope]
    uplinks = ("all", *(one.device for one in network.outside if one.scope == scope))
    return any((space.sysctl(f"net.ipv4.conf.{name}.arp_ignore") or "0").strip() != "0" for name in uplinks)


def ruling_of(network: Network, gate: Gate) -> Ruling | None:
    """What policies say of a gate's ports; None where they say nothing."""
    admission = admission_of(network, gate.aim.family) if gate.governed else None
    return by_strangers(network, admission, gate.aim, gate.strangers) if admission is not None else None


def unshared(network: Network, program: NetworkProgram, gate: Gate, ports: Ranges, reach: Reach) -> Iterator[str]:
    """What Z3 finds that the sets have not, for a part of the ports and nodes where they are many."""
    few = len(gate.names) <= ALL
    aim, ways = (gate.aim, gate.ways) if few else (slim(gate.aim), tuple(spaced(gate.ways, FEW)))
    known = aim.translated or {}
    some = replace(gate, aim=aim, ways=ways, names={key: name for key, name in gate.names.items() if key in known})
    starts = [(program.arrival(at), begun(some, party, ports)) for party, at in ways if some.asked(party)]
    ruling = ruling_of(network, some)
    wanted = dict(wanted_losses(ruling)) if ruling is not None else dict(LOSSES)
    wanted |= dict(unwanted_arrivals(ruling)) if ruling is not None and not reach.unenforced else {}
    reach.share.pairs += len({key for party, _ in ways for key in some.asked(party)})
    if words := differing(program, starts, visit(program, aim, wanted, partial(came_in, program, some)), reach.share):
        yield words


def came_in(program: NetworkProgram, gate: Gate, engine: Encoder, way: Way) -> Iterator[tuple[ir.Point, Way]]:
    """Where what follows an answer that has left comes in: at the node that was asked."""
    for party, at in gate.ways:
        here = ir.In(Field.SOURCE, single(party.address.value))
        part = way if gate.anywhere else engine.branch(here, way)[0]
        if part is not None and gate.asked(party):
            yield program.arrival(at), part


def begun(gate: Gate, party: Party, ports: Ranges) -> State:
    """The packets from outside to one node, from these ports."""
    values: dict[Field, int | Ranges] = {Field.SOURCE: gate.strangers, Field.SOURCE_PORT: ports, Field.TTL: 64}
    return asking(start({**values, Field.TCP_FLAGS: SYN}), rows_of(gate.asked(party)))


def entering(program: NetworkProgram, gate: Gate, state: State) -> Iterator[tuple[ir.Point, State]]:
    """Where what follows comes in: at the node that was asked."""
    variable = origin(state, Field.DESTINATION)
    for party, at in gate.ways:
        every = gate.anywhere or not isinstance(variable, str)
        part = state if every else narrowed(state, str(variable), single(party.address.value))
        if part is not None and gate.asked(party):
            yield program.arrival(at), part


def returns(aim: Aim, result: Result, found: Analysis) -> list[Lost]:
    """The answers that do not leave as what was asked."""
    exit, at, state, beyond = result
    match exit:
        case ir.Leave(_, assumption):
            found.assumptions[assumption] = None
            return strange(aim, state, at)
        case ir.Deliver(scope):
            return [Lost(REPLY, f"the reply is delivered to {scope}, which did not ask", at, state)]
        case _:
            return failure(exit, at, state, beyond, REPLY)


def by_node(gate: Gate, state: State) -> Iterator[State]:
    """The set, apart for each node that is asked."""
    variable = origin(state, Field.DESTINATION)
    if gate.anywhere:
        yield state
    for party, _ in gate.ways if not gate.anywhere else ():
        part = narrowed(state, variable, single(party.address.value)) if isinstance(variable, str) else state
        if part is not None and any(key[1] == party.address.value for key in keys(part)):
            yield part


def keys(state: State) -> Iterator[tuple[int, int, int]]:
    """The node ports that a set of packets asks for: protocol, address, port."""
    for row in combinations(state, [origin(state, name) for name in ASKED]):
        protocols, addresses, ports = map(spelled, row)
        yield from product(protocols, addresses, ports)


def named(gate: Gate, asked: Iterable[tuple[int, int, int]]) -> PairSet:
    """The pairs of the outside and of node ports."""
    return pair_set(("outside", gate.names[key]) for key in asked if key in gate.names)


def settle(network: Network, reach: Reach, gate: Gate, item: Lost, ruling: Ruling | None) -> None:
    """Replays a packet of each part of a lost set that policies do not want to be lost."""
    names = {gate.names[key] for key in keys(item.state) if key in gate.names}
    asked = ruling is not None and not names.isdisjoint(gate.governed)
    for state, wanted in ruled(ruling, item) if ruling is not None and asked else (Ruled(item.state, True),):
        mine = named(gate, keys(state))
        if not wanted:
            reach.left |= mine
        elif mine:
            part = item._replace(state=state)
            record(reach, part, mine, replayed(network, gate, part, asked), asked)
    if asked:
        reach.assumptions[EXCUSED] = None


def replayed(network: Network, gate: Gate, item: Lost, spared: bool) -> Replay | None:
    """The walk's word on a packet of a lost set; None where none was found."""
    trace = sent(network, gate, item)
    return weighed(network, gate.aim, item, trace, spared) if trace is not None else None


def sent(network: Network, gate: Gate, item: Lost) -> Trace | None:
    """What becomes of a packet of a set; None where none was found."""
    usual = {Field.SOURCE.value: (stranger(network, gate.aim.family).value,), Field.SOURCE_PORT.value: (40000,)}
    found = points(item.state, {**usual, Field.PROTOCOL.value: (6, 17)})
    if found is None:
        return None
    packet = packet_of(gate.aim, found)
    at = next(at for party, at in gate.ways if gate.anywhere or party.address.value == packet.destination)
    return walk(network, Flow(at, packet))
