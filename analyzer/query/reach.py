"""What the flows between groups of parties amount to: pairs that fail, each with the walk's word, and what could not be decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

from analyzer.findings import Counterexample
from analyzer.model.network import Network
from analyzer.policy.tiers import Policy
from analyzer.query.admission import Admission
from analyzer.query.agreement import Share, contradiction
from analyzer.query.alike.exploring import Explored, Few, explored, few_of
from analyzer.query.alike.thinning import by_one
from analyzer.query.causes import Breach
from analyzer.query.encapsulated import closed, untaken
from analyzer.query.failures import ADMITTED, LOST, UNFAMILIAR, UNKNOWN
from analyzer.query.flows import Aim, Lost, Sender, origin, spelled
from analyzer.query.grouping import Group, pairs_asked
from analyzer.query.pair_sets import Names, PairSet, added, whole
from analyzer.query.pairs import by_nodes, common, one_by_one, pairs_of
from analyzer.query.policies import of_network
from analyzer.query.replay import Replay, Walked, Word, replay, witness
from analyzer.query.sender_addresses import unrecognised, without_address
from analyzer.query.sending import assumed
from analyzer.query.service_admission import by_pods, ruled
from analyzer.query.service_agreement import unwanted_arrivals, wanted_losses
from analyzer.query.service_arrivals import Told, Words, governed_pairs, perhaps, told
from analyzer.ranges import single
from analyzer.solve.packet import TCP, UDP, Hop, Trace
from analyzer.solve.sets.diagrams import EACH
from analyzer.solve.sets.neglected import Neglect
from analyzer.solve.sets.regions import Result, State, values_of, variables
from analyzer.solve.smt.questions import Question
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Scope, Span
from analyzer.transfer.graph import NetworkProgram
from analyzer.transfer.ir import Field

EXCUSED = "packets to services that policies keep from their endpoints may be lost"
REPLAYS, BUDGET = 400, 1_500_000
REMEMBERED = 256
"""Flows of which is kept what became of them: sets that differ in what is not known alone are shown by one packet."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Pairs that fail in one way and for one reason, with the packet that was replayed. ``governed``: policies say something of them; ``filtered``: rules alone do."""

    kind: str
    pairs: PairSet
    reason: str
    at: Span | None
    shown: Counterexample | None
    governed: bool = False
    filtered: bool = False


@dataclass(slots=True)
class Reach:
    """What is known of some flows. ``doubts`` are reasons why something is not; ``left`` pairs of which it is not known what policies admit;
    ``governed`` counts the pairs of which they say something; ``unenforced`` are doubts about whether policies are enforced, and nothing else.
    ``share``: Z3's part. ``heard`` are pairs that fail, and of which some packets arrive."""

    failures: list[Failure] = field(default_factory=list)
    doubts: dict[str, None] = field(default_factory=dict)
    assumptions: dict[str, None] = field(default_factory=dict)
    left: PairSet = field(default_factory=PairSet)
    pairs: int = 0
    rules: int = 0
    governed: int = 0
    unenforced: dict[str, None] = field(default_factory=dict)
    share: Share = field(default_factory=Share)
    heard: PairSet = field(default_factory=PairSet)

    @property
    def ruled(self) -> int:
        """How many pairs there are of which policies say something, or rules that drop packets though they do not."""
        return self.governed + len(whole(one.pairs for one in self.failures if one.filtered))

    def broken(self, guarantee: str, kinds: Iterable[str], governed: bool = False) -> list[Breach]:
        """The pairs that fail in one of the ways, each once; ``governed``: of which policies say something, or rules do though they do not."""
        found: list[Breach] = []
        seen: dict[str, Names] = {}
        for failure in self.failures:
            if failure.kind not in kinds or (governed and not (failure.governed or failure.filtered)):
                continue
            if pairs := failure.pairs - PairSet(seen):
                found.append(Breach(guarantee, pairs, failure.reason, failure.at, failure.shown))
                added(seen, pairs)
        return found


def decided(network: Network, program: NetworkProgram, group: Group, dead: Neglect) -> Reach:
    """The flows of a group, which Z3 has a look at too where none fails."""
    reach = Reach()
    begin = program.start_unbound if group.unbound else program.start
    admission = admission_of(network, group.aims[0].family)
    few = few_of(network, group) if admission is None or group.pods else None
    if any(aim.protocols == single(UDP) and aim.translated is None for aim in group.aims) and (words := closed(network).words):
        reach.assumptions[words] = None
    if group.aims[0].translated is None and (words := untaken(network).words):
        reach.assumptions[words] = None
    reach.pairs = 0 if group.unbound else pairs_asked(group)
    reach.governed = 0 if group.unbound else admission.pairs_governed(group.sources, group.pods) if admission is not None else 0
    arriving: list[Explored] = []
    walked = lru_cache(maxsize=REMEMBERED)(partial(walk, network))
    for aim in group.aims:
        if reach.rules > (most := max(BUDGET, EACH * len(group.senders))):
            words = f"what {group.senders[0].scope.node} and others send was not decided: more than {most} tests"
            reach.doubts[words] = reach.unenforced[words] = None
            break
        found = explored(program, group, aim, dead, begin, few, admission is not None)
        reach.assumptions.update(found.assumptions)
        reach.rules += found.rules
        deciding = Deciding(network, group, aim, admission, reach, walked, few)
        settle(deciding, [*found.lost, *unrecognised(network, group, found.delivered)])
        if admission is not None and between_pods(group):
            admitted(deciding, found.delivered)
        elif admission is not None and not group.pods:
            through_services(deciding, found)
        arriving.append(found)
    reach.heard = heard(group, whole(one.pairs for one in reach.failures), arriving) if group.pods else PairSet()
    for sender in group.senders:
        reach.assumptions.update(dict.fromkeys(assumed(network, sender)))
    reach.doubts.update(dict.fromkeys(without_address(network, group)))
    if not (reach.failures or reach.doubts or reach.left):
        cut = partial(parted, admission, group, not reach.unenforced)
        services = admission is not None and not group.pods
        wanted_of = (
            partial(asked_of_z3, network, admission, group, enforced=not reach.unenforced) if services and admission else None
        )
        some = group.senders if few is None else few.for_z3(group)
        wrong = contradiction(program, group.aims, some, cut, group.unbound, wanted_of, reach.share)
        reach.doubts.update({wrong: None} if wrong else {})
    reach.failures.sort(key=lambda item: item.kind == ADMITTED and item.shown is not None and item.shown.packet.protocol != TCP)
    return reach


def heard(group: Group, pairs: PairSet, arriving: Sequence[Explored]) -> PairSet:
    """Those of the pairs of which some packet arrives."""
    return common(group, pairs, (state for one in arriving for state in one.arrived())) if pairs else pairs


def asked_of_z3(
    network: Network, admission: Admission, group: Group, aim: Aim, senders: Sequence[Sender], enforced: bool = True
) -> Iterator[tuple[str, Question]]:
    """What Z3 is asked about packets to services that policies admit, and about those that they deny where none arrives by the sets."""
    values = {value for sender in senders for value in spelled(sender.sources)}
    sources = {value: parties for value, parties in group.sources.items() if value in values}
    ruling = by_pods(network, admission, aim, sources)
    yield from wanted_losses(ruling)
    yield from unwanted_arrivals(ruling) if enforced else ()


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
        whole.governed += part.governed
        whole.unenforced.update(part.unenforced)
        whole.heard |= part.heard
        whole.share.pairs += part.share.pairs
        whole.share.left_open.update(part.share.left_open)
    return whole


@dataclass(frozen=True, slots=True)
class Deciding:
    """Flows that are being decided: whose, which, what policies say of them, what is known so far, and the walk."""

    network: Network
    group: Group
    aim: Aim
    admission: Admission | None
    reach: Reach
    walked: Walked
    few: Few | None = None


def between_pods(group: Group) -> bool:
    """Whether a group is of pods on both sides."""
    return bool(group.pods) and all(
        party.pod is not None for found in (*group.sources.values(), *group.pods.values()) for party in found
    )


def admission_of(network: Network, family: int) -> Admission | None:
    """What policies say of flows; None where there are no policies."""
    policies = of_network(network)
    return None if policies.none else Admission(policies, *policies.readings(family), {})


def settle(deciding: Deciding, lost: Sequence[Lost]) -> None:
    """Replays a packet of each lost set, for each pair of nodes that it is about; what policies deny may be lost."""
    for item in lost:
        for state, governed in wanted(deciding, item):
            if not settled(deciding, item._replace(state=state), governed):
                return


def wanted(deciding: Deciding, item: Lost) -> Iterator[tuple[State, bool]]:
    """The part of a set that policies admit, and whether they say something of it; what it is not known of is left."""
    group, state = deciding.group, item.state
    if deciding.admission is None:
        yield state, False
        return
    if not group.pods:
        yield from wanted_of_services(deciding, deciding.admission, item)
        return
    for part in deciding.admission.parts(group.sources, group.pods, state):
        if part.flows is None:
            deciding.reach.left |= pairs_of(group, part.state)
            continue
        for one in deciding.admission.within(deciding.aim, part.state, part.flows.sure):
            yield one, part.flows.governed
        for one in deciding.admission.within(deciding.aim, part.state, part.flows.unknown):
            deciding.reach.left |= pairs_of(group, one)


def wanted_of_services(deciding: Deciding, admission: Admission, item: Lost) -> Iterator[tuple[State, bool]]:
    """The part of a set of packets to services that policies admit."""
    deciding.reach.assumptions[EXCUSED] = None
    for part in ruled(by_pods(deciding.network, admission, deciding.aim, deciding.group.sources), item):
        if part.wanted:
            yield part.state, True
        else:
            deciding.reach.left |= pairs_of(deciding.group, part.state)


def settled(deciding: Deciding, item: Lost, governed: bool) -> bool:
    """Replays packets of a lost set; whether to go on with others."""
    group, reach = deciding.group, deciding.reach
    homes = {value: parties[0].scope for value, parties in group.sources.items()}
    if deciding.few is not None and item.kind != UNKNOWN and settled_by_one(deciding, deciding.few, item, homes, governed):
        return True
    for part in one_by_one(group, item.state) if item.kind == UNKNOWN else by_nodes(group, item.state):
        pairs = pairs_of(group, part)
        if not pairs:
            continue
        if len(reach.failures) + len(reach.doubts) >= REPLAYS:
            reach.doubts[f"more than {REPLAYS} kinds of failures; the rest was not replayed"] = None
            return False
        spared = not group.pods and deciding.admission is not None
        found = replay(deciding.network, deciding.aim, item._replace(state=part), homes, deciding.walked, group.unbound, spared)
        record(reach, item, pairs, admitting(deciding, found, part) if governed else found, governed)
    return True


def settled_by_one(deciding: Deciding, few: Few, item: Lost, homes: Mapping[int, Scope], governed: bool) -> bool:
    """Replays one packet for all that are alike, where somebody decides who is like nobody else; whether that settles it."""
    group, reach = deciding.group, deciding.reach
    whole = partial(by_one, deciding.network, few.kinds, shared=partial(few.shares, item.state))
    if len(reach.failures) + len(reach.doubts) >= REPLAYS or not whole(item.reason, item.at):
        return False
    part = next((one for one in by_nodes(group, item.state) if pairs_of(group, one)), None)
    if part is None:
        return False
    found = replay(deciding.network, deciding.aim, item._replace(state=part), homes, deciding.walked, group.unbound)
    if found is None or found.word is not Word.CONFIRMED or not whole(found.reason, found.at):
        return False
    if item.at is not None and item.at != found.at:
        return False
    record(reach, item, pairs_of(group, item.state), admitting(deciding, found, part) if governed else found, governed)
    return True


def admitting(deciding: Deciding, found: Replay | None, state: State) -> Replay | None:
    """What was replayed of a lost packet between pods, with the policies that select its ends and admit it."""
    if found is None or deciding.admission is None or not between_pods(deciding.group):
        return found
    selecting = isolating(deciding, deciding.admission, state)
    hops = (Hop("policies", "policy", f"policies admit it; {one} is for one of its ends", one.at) for one in selecting)
    return replace(found, shown=replace(found.shown, hops=(*hops, *found.shown.hops)))


def admitted(deciding: Deciding, delivered: Sequence[Result]) -> None:
    """Keeps packets that arrive though no policy admits them, one replayed for each set of policies that are so passed over."""
    assert deciding.admission is not None
    group, own = deciding.group, Reach()
    homes = {value: parties[0].scope for value, parties in group.sources.items()}
    shown: dict[str, Replay | None] = {}
    for result in delivered:
        for state in refused(deciding.admission, group, deciding.aim, result.state):
            found = isolating(deciding, deciding.admission, state)
            item = Lost(ADMITTED, f"{ADMITTED} ({', '.join(map(str, found))} isolates)", found[0].at, state)
            if item.reason not in shown:
                shown[item.reason] = replay(deciding.network, deciding.aim, item, homes, deciding.walked, group.unbound)
            record(own, item, pairs_of(group, state), shown[item.reason], governed=True)
    deciding.reach.failures += own.failures
    deciding.reach.unenforced.update(own.doubts)


def through_services(deciding: Deciding, found: Explored) -> None:
    """Keeps packets that arrive through services though policies deny them, and counts the pairs of which they say something."""
    assert deciding.admission is not None
    group, reach = deciding.group, deciding.reach
    ruling = by_pods(deciding.network, deciding.admission, deciding.aim, group.sources)
    reach.governed += 0 if group.unbound else governed_pairs(ruling, group.sources, group.targets)
    reach.unenforced.update(dict.fromkeys(perhaps(ruling, found.lost)))
    for one in told(ruling, found.delivered, partial(sent, deciding)):
        keep(reach, one, pairs_of(group, one.item.state) if isinstance(one, Told) else PairSet())


def sent(deciding: Deciding, item: Lost) -> Trace | None:
    """What becomes of a packet of a set."""
    packet = witness(deciding.network, deciding.aim, item.state)
    parties = deciding.group.sources.get(packet.source) if packet is not None else None
    return deciding.walked(Flow(parties[0].scope, packet, deciding.group.unbound)) if parties and packet else None


def keep(reach: Reach, one: Told | Words, pairs: PairSet) -> None:
    """Keeps what the walk says of packets that arrive though policies deny them, or why that is not said."""
    own = Reach()
    if isinstance(one, Words):
        (reach.unenforced if one.doubt else reach.assumptions)[one.text] = None
    elif pairs:
        record(own, one.item, pairs, one.found, governed=True)
    reach.failures += own.failures
    reach.unenforced.update(own.doubts)


def refused(admission: Admission, group: Group, aim: Aim, state: State) -> Iterator[State]:
    """The packets of a set that no policy admits, apart by the policies that select the receiver."""
    for part in admission.parts(group.sources, group.pods, state):
        if part.flows is not None and (denied := admission.factors.atoms.all & ~part.flows.may):
            for one in admission.by_receiver(group.pods, part.state):
                yield from admission.within(aim, one, denied)


def parted(admission: Admission | None, group: Group, enforced: bool, aim: Aim, state: State) -> tuple[list[State], list[State]]:
    """The packets of a set that are to arrive for sure, and those that are not to; of these none where it is not known whether some do (``enforced`` False)."""
    if admission is None or not group.pods:
        return [state], []
    wanted: list[State] = []
    denied: list[State] = []
    for part in admission.parts(group.sources, group.pods, state):
        if part.flows is not None:
            wanted += admission.within(aim, part.state, part.flows.sure)
        if part.flows is not None and between_pods(group) and enforced:
            denied += admission.within(aim, part.state, admission.factors.atoms.all & ~part.flows.may)
    return wanted, denied


def isolating(deciding: Deciding, admission: Admission, state: State) -> list[Policy]:
    """The policies that select the ends of a set's first pair; what systems do without any is told only where it is alone."""
    source = next(spelled(values_of(state, origin(state, Field.SOURCE))))
    target = next(spelled(values_of(state, origin(state, Field.DESTINATION))))
    found = admission.selecting(deciding.group.sources[source][0], deciding.group.pods[target][0])
    return [one for one in found if one.at.path in deciding.network.sources] or found


def record(reach: Reach, item: Lost, pairs: PairSet, found: Replay | None, governed: bool = False) -> None:
    """Keeps what the walk says: a failure that it confirms, a doubt that it shares, or a contradiction."""
    source, target = pairs.first()
    if found is None:
        reach.doubts[f"{source} to {target}: {item.reason}"] = None
    elif found.word is Word.CONFIRMED:
        kind = LOST if item.kind == UNKNOWN else item.kind
        if item.kind in (ADMITTED, UNFAMILIAR):
            shown = replace(found.shown, reason=item.reason, at=item.at)
            found = replace(found, reason=item.reason, at=item.at, shown=shown)
        reach.failures.append(
            Failure(kind, pairs, found.reason, found.at, found.shown, governed, not governed and found.filtered)
        )
    elif found.word is Word.UNKNOWN or item.kind == UNKNOWN:
        reason = found.reason if found.word is Word.UNKNOWN else item.reason
        reach.doubts[f"{source} to {target}: {reason}"] = None
    elif any(name.startswith("choice") for name in variables(item.state)):
        reach.doubts[f"{source} to {target}: {item.reason}, for a port that the network may choose and the walk does not"] = None
    elif item.kind == UNFAMILIAR or item.state.answers:
        # Where a test is open to the sets, as of a set that packets change, they have packets arrive that the walk follows further.
        reach.doubts[f"{source} to {target}: {item.reason}; whether such packets arrive is not known"] = None
    else:
        packet = found.shown.packet
        reach.doubts[f"internal error: the sets say of {packet} “{item.reason}”, the walk says “{found.reason}”"] = None
