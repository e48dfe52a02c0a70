"""What the flows between groups of parties amount to: pairs that fail, each with the walk's word, and what could not be decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from analyzer.addresses import Address
from analyzer.facts.links import Geneve, Vxlan
from analyzer.findings import Counterexample
from analyzer.model.network import Network
from analyzer.policy.network_policy import admitted, policies_of
from analyzer.query.agreement import contradiction
from analyzer.query.causes import Broken
from analyzer.query.flows import (
    LOST,
    PORTS,
    UNKNOWN,
    Aim,
    Lost,
    Sender,
    analyse,
    origin,
    spelled,
)
from analyzer.query.parties import Party
from analyzer.query.replay import Replay, Word, replay
from analyzer.ranges import Ranges, difference, intersection, normalised, size
from analyzer.solve import internet
from analyzer.solve.neglected import Neglect
from analyzer.solve.oracle import Oracle
from analyzer.solve.packet import SYN, TCP, Packet
from analyzer.solve.regions import State, narrowed, values_of, variables
from analyzer.solve.sifting import combinations
from analyzer.solve.walk_index import index_of
from analyzer.solve.walk_state import Walk
from analyzer.source import Scope, Span
from analyzer.transfer.graph import NetworkProgram
from analyzer.transfer.ir import Field

REPLAYS, BUDGET = 400, 1_500_000


@dataclass(frozen=True, slots=True)
class Failure:
    """Pairs that fail in one way and for one reason, with the packet that was replayed."""

    kind: str
    pairs: frozenset[tuple[str, str]]
    reason: str
    at: Span | None
    shown: Counterexample | None


@dataclass(slots=True)
class Reach:
    """What is known of some flows. ``doubts`` are reasons why something is not; ``left`` pairs that are the policies' business."""

    failures: list[Failure] = field(default_factory=list)
    doubts: dict[str, None] = field(default_factory=dict)
    assumptions: dict[str, None] = field(default_factory=dict)
    left: set[tuple[str, str]] = field(default_factory=set)
    pairs: int = 0
    rules: int = 0

    def broken(self, guarantee: str, kinds: Iterable[str]) -> list[Broken]:
        """The pairs that fail in one of the ways, each once."""
        found: dict[tuple[str, str], Broken] = {}
        for failure in self.failures:
            for source, target in sorted(failure.pairs) if failure.kind in kinds else ():
                found.setdefault((source, target), Broken(guarantee, source, target, failure.reason, failure.at, failure.shown))
        return list(found.values())


@dataclass(frozen=True, slots=True)
class Group:
    """Senders, receivers and packets that are decided together. ``sources`` names the parties by source address, ``targets`` by destination."""

    aims: tuple[Aim, ...]
    senders: tuple[Sender, ...]
    sources: Mapping[int, tuple[Party, ...]]
    targets: Mapping[int, tuple[str, ...]]
    pods: Mapping[int, tuple[Party, ...]] = field(default_factory=dict)


def decided(network: Network, program: NetworkProgram, group: Group, dead: Neglect) -> Reach:
    """The flows of a group, which Z3 has a look at too where none fails."""
    reach = Reach()
    reach.pairs = sum(size(sender.sources) * asked_for(group.aims[0], sender) for sender in group.senders)
    for aim in group.aims:
        if reach.rules > BUDGET:
            reach.doubts[f"what {group.senders[0].scope.node} and others send was not decided: more than {BUDGET} tests"] = None
            break
        found = analyse(program, program.start, aim, group.senders, dead)
        reach.assumptions.update(dict.fromkeys(program.assumptions_at(found.points)))
        reach.assumptions.update(found.assumptions)
        reach.rules += found.count.rules
        settle(network, reach, group, aim, found.lost)
    for sender in group.senders:
        if taken := difference(PORTS, sender.ports):
            text = ", ".join(str(port) for low, high in taken for port in range(low, high + 1))
            reach.assumptions[f"no program of {sender.scope} sends from the ports of its tunnels ({text})"] = None
    reach.doubts.update(dict.fromkeys(without_address(network, group)))
    if not reach.failures and not reach.doubts and (wrong := contradiction(program, group.aims, group.senders)):
        reach.doubts[wrong] = None
    return reach


def without_address(network: Network, group: Group) -> Iterator[str]:
    """Senders that do not have the address that they are known by: what they send from is not what was decided."""
    for parties in group.sources.values():
        for party in parties:
            space = network.namespaces[party.scope]
            held = any(at.scope == party.scope for at in network.owners.get(party.address, ()))
            if not held and "ip-addr" not in space.missing:
                yield f"{party.name} is known by {party.address}, and its namespace does not have that address"


def united(parts: Sequence[Reach]) -> Reach:
    """What is known of the flows of all parts."""
    whole = Reach()
    for part in parts:
        whole.failures += part.failures
        whole.doubts.update(part.doubts)
        whole.assumptions.update(part.assumptions)
        whole.left |= part.left
        whole.pairs += part.pairs
        whole.rules += part.rules
    return whole


def asked_for(aim: Aim, sender: Sender) -> int:
    """How many destinations a sender has: addresses, or ports of services."""
    return size(sender.destinations) if aim.translated is None else len(aim.translated)


def settle(network: Network, reach: Reach, group: Group, aim: Aim, lost: Sequence[Lost]) -> None:
    """Replays a packet of each lost set, for each pair of nodes that it is about."""
    homes = {value: parties[0].scope for value, parties in group.sources.items()}
    named = known(network, group) if lost else {}
    for item in lost:
        for part in one_by_one(group, item.state) if item.kind == UNKNOWN else by_nodes(group, item.state):
            pairs = frozenset(pairs_of(group, part))
            mine = frozenset(pair for pair in pairs if not governed(network, named, pair))
            reach.left |= pairs - mine
            if not mine:
                continue
            if len(reach.failures) + len(reach.doubts) >= REPLAYS:
                reach.doubts[f"more than {REPLAYS} kinds of failures; the rest was not replayed"] = None
                return
            found = replay(network, aim, item._replace(state=part), homes)
            record(reach, item, mine, found)


def record(reach: Reach, item: Lost, pairs: frozenset[tuple[str, str]], found: Replay | None) -> None:
    """Keeps what the walk says: a failure that it confirms, a doubt that it shares, or a contradiction."""
    source, target = min(pairs)
    if found is None:
        reach.doubts[f"{source} to {target}: {item.reason}"] = None
    elif found.word is Word.CONFIRMED:
        kind = LOST if item.kind == UNKNOWN else item.kind
        reach.failures.append(Failure(kind, pairs, found.reason, found.at, found.shown))
    elif found.word is Word.UNKNOWN or item.kind == UNKNOWN:
        reason = found.reason if found.word is Word.UNKNOWN else item.reason
        reach.doubts[f"{source} to {target}: {reason}"] = None
    elif any(name.startswith("choice") for name in variables(item.state)):
        reach.doubts[f"{source} to {target}: {item.reason}, for a port that the network may choose and the walk does not"] = None
    else:
        packet = found.shown.packet
        reach.doubts[f"internal error: the sets say of {packet} “{item.reason}”, the walk says “{found.reason}”"] = None


def by_nodes(group: Group, state: State) -> Iterator[State]:
    """The set, apart for each pair of nodes."""
    targets = nodes_of_targets(group)
    for one in split(state, Field.SOURCE, nodes_of_sources(group)):
        yield from split(one, Field.DESTINATION, targets)


def one_by_one(group: Group, state: State) -> Iterator[State]:
    """The set, apart for each pair of parties."""
    sources = {str(value): ((value, value),) for value in sorted(group.sources)}
    targets = {str(value): ((value, value),) for value in sorted(group.targets)}
    for one in split(state, Field.SOURCE, sources):
        yield from split(one, Field.DESTINATION, targets)


def split(state: State, field: Field, parts: Mapping[str, Ranges]) -> Iterator[State]:
    """The set, apart by the parts of a variable's values."""
    variable = origin(state, field)
    if not isinstance(variable, str) or variable not in variables(state):
        yield state
        return
    own = values_of(state, variable)
    for ranges in parts.values():
        after = narrowed(state, variable, intersection(own, ranges))
        if after is not None:
            yield after


def nodes_of_sources(group: Group) -> dict[str, Ranges]:
    """The source addresses of each node."""
    found: dict[str, list[tuple[int, int]]] = {}
    for value, parties in group.sources.items():
        found.setdefault(parties[0].scope.node, []).append((value, value))
    return {node: normalised(pairs) for node, pairs in sorted(found.items())}


def nodes_of_targets(group: Group) -> dict[str, Ranges]:
    """The destination addresses of each node; all others together."""
    found: dict[str, list[tuple[int, int]]] = {}
    for value in group.targets:
        parties = group.pods.get(value, ())
        found.setdefault(parties[0].scope.node if parties else "", []).append((value, value))
    return {node: normalised(pairs) for node, pairs in sorted(found.items())}


def pairs_of(group: Group, state: State) -> Iterator[tuple[str, str]]:
    """The pairs of names that a set is about."""
    found = dict.fromkeys(combinations(state, (origin(state, Field.SOURCE), origin(state, Field.DESTINATION))))
    for own, asked in found:
        sources = [party.name for value in spelled(own) for party in group.sources.get(value, ())]
        targets = [name for value in spelled(asked) for name in group.targets.get(value, ())]
        yield from product(sources, targets)


def governed(network: Network, named: Mapping[str, Party], pair: tuple[str, str]) -> bool:
    """Whether policies may be what cuts the pair; ``named`` is empty where there are none."""
    if not named:
        return False
    source, target = (named[name].pod if name in named else None for name in pair)
    if source is None or target is None:
        return True
    return not admitted(network.cluster, source, target).everything


def known(network: Network, group: Group) -> dict[str, Party]:
    """The parties by name, where there are policies."""
    if not policies_of(network.cluster):
        return {}
    return {party.name: party for parties in (*group.sources.values(), *group.pods.values()) for party in parties}


def pod_senders(parties: Iterable[Party], destinations: Ranges) -> tuple[Sender, ...]:
    """Each pod, to all the destinations."""
    return tuple(Sender(party.scope, ((party.address.value,) * 2,), destinations) for party in parties)


def chosen_sources(network: Network, party: Party, targets: Iterable[int]) -> dict[int, list[int]]:
    """The destinations by the source address that a node chooses for them, as its routes say."""
    index = index_of(network)
    found: dict[int, list[int]] = {}
    for target in targets:
        walk = Walk(index, Oracle())
        packet = Packet(party.address.family, 0, target, TCP, 40000, 80, tcp_flags=SYN)
        ready = internet.prepared(walk, walk.space(party.scope), packet)
        source = ready.source if isinstance(ready, Packet) else party.address.value
        found.setdefault(source, []).append(target)
    return found


def node_groups(
    network: Network,
    parties: Iterable[Party],
    targets: Mapping[int, tuple[Party, ...]],
    made: Callable[[Mapping[int, frozenset[Scope]]], tuple[Aim, ...]],
) -> Iterator[Group]:
    """The nodes with each of the sources that they choose, to the targets: together where no two of them choose one source."""
    holders = {value: frozenset(party.scope for party in found) for value, found in targets.items()}
    names = {value: tuple(party.name for party in found) for value, found in targets.items()}
    senders: list[Sender] = []
    sources: dict[int, tuple[Party, ...]] = {}
    for party in parties:
        others = [value for value, found in targets.items() if all(one.scope != party.scope for one in found)]
        for source, values in sorted(chosen_sources(network, party, others).items()):
            if source in sources:
                yield Group(made(holders), tuple(senders), sources, names, targets)
                senders, sources = [], {}
            reached = normalised((value, value) for value in values)
            senders.append(Sender(party.scope, ((source, source),), reached, free_ports(network, party.scope)))
            sources[source] = (Party(party.name, party.scope, Address(party.address.family, source)),)
    if senders:
        yield Group(made(holders), tuple(senders), sources, names, targets)


def free_ports(network: Network, scope: Scope) -> Ranges:
    """The ports that a node's programs can send from: its tunnels' sockets hold theirs (vxlan_socket_create, drivers/net/vxlan/vxlan_core.c)."""
    held: list[tuple[int, int]] = []
    for at, home in network.sockets.items():
        link = network.namespaces[at.scope].links.get(at.device)
        match link.kind if link is not None and home == scope else None:
            case Vxlan(port=port) | Geneve(port=port):
                held.append((port, port))
            case _:
                continue
    return difference(PORTS, normalised(held)) if held else PORTS
