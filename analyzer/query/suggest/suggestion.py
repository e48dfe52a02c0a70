"""``analyze connectivity --suggest``: the smallest set of NetworkPolicies that allows exactly what is wanted, with the proof that it does.

What is wanted is a set of policies, too: those of the input (``current``), or such that name pods, made of observed connections or of a file. It is
brought into demands of each pod (``suggest/demands.py``), these into policies (``suggest/planning.py``), and their text is read again, compiled
and compared with what was wanted (``suggest/proof.py``). What is not certain, or cannot be said by NetworkPolicies, is refused. Where there is too much
to look for the smallest set, or none is found, the NetworkPolicies of the input are suggested without the rules that change nothing (``suggest/kept.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from analyzer.model.network import Network
from analyzer.query.policies import Policies
from analyzer.query.policy_parties import pod_name
from analyzer.query.suggest.demands import Scene
from analyzer.query.suggest.fewest import Bounds, fewer_than
from analyzer.query.suggest.kept import Kept, kept
from analyzer.query.suggest.observed import observed
from analyzer.query.suggest.planned import Planned, UnsayableError
from analyzer.query.suggest.planning import Planner
from analyzer.query.suggest.proof import differences, suggested
from analyzer.query.suggest.restricting import Demands, demands
from analyzer.query.suggest.wanted import intended, wanting
from analyzer.query.suggest.writing import written
from analyzer.source import Source

SHOWN = 20
# So many sets of pods of a namespace are described in some seconds, each perhaps several times.
MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Connectivity that is wanted: policies that say it, what it is in words, and what was left out of it."""

    policies: Policies
    words: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Suggestion:
    """Proved policies. ``text``: YAML, with a comment that says what was proved."""

    policies: tuple[Planned, ...] | tuple[Kept, ...]
    text: str = field(repr=False)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<suggestion: {len(self.policies)} policies, proved>"


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no suggestion, line by line."""

    reasons: tuple[str, ...]


def wanted_now(known: Policies) -> Wanted:
    """What the policies of the input admit."""
    count = sum(1 for _ in dict.fromkeys((policy.kind, policy.namespace, policy.name) for policy in known.all.policies()))
    return Wanted(known, f"what the {count} policies of the input admit")


def wanted_as_observed(network: Network, known: Policies) -> Wanted:
    """The connections that captured nodes hold. ValueError where there is none of a pod."""
    found = observed(network, known)
    return Wanted(wanting(known, found.wants), "the connections that were captured, of workloads", found.notes)


def wanted_in(known: Policies, source: Source) -> Wanted:
    """The lines of a file. ValueError where one cannot be understood."""
    return Wanted(wanting(known, intended(known, source)), f"what {source.path} wants")


def suggest(wanted: Wanted) -> Suggestion | Refused:
    """The policies that admit exactly what is wanted; why not, where there are none or it cannot be proved."""
    scene = Scene(wanted.policies)
    if not scene.pods:
        return Refused(("there are no pods in the input",))
    known = demands(scene)
    if scene.doubts:
        return Refused(tuple(uncertain(scene)))
    if work(scene, known) > MOST and (short := shortened(scene, wanted, known)) is not None:
        return short
    found = smallest(scene, wanted, known)
    if isinstance(found, Refused) and isinstance(short := shortened(scene, wanted, known, few=True), Suggestion):
        return short
    return found


def shortened(scene: Scene, wanted: Wanted, known: Demands, few: bool = False) -> Suggestion | Refused | None:
    """The NetworkPolicies of the input without what changes nothing, where there are ``few`` also without those that do nothing as a whole; None where other
    policies decide."""
    if (left := kept(wanted.policies, scene.families)) is None:
        return None
    bounds = Bounds(Planner(scene, known, by_egress=False))
    policies = needed(scene, wanted, left[0]) if few else left[0]
    return proof(scene, wanted, policies, partial(bounded, left[1], bounds, len(policies)))


def needed(scene: Scene, wanted: Wanted, policies: tuple[Kept, ...]) -> tuple[Kept, ...]:
    """The policies without those of which each can be left out behind those before it."""
    for item in policies:
        rest = tuple(one for one in policies if one is not item)
        after, _ = suggested(wanted.policies, "---\n".join(map(written, rest)))
        if not any(True for _ in differences(scene, after)):
            policies = rest
    return policies


def smallest(scene: Scene, wanted: Wanted, known: Demands) -> Suggestion | Refused:
    """The smallest set that is found, proved."""
    try:
        plans = [(planner, planner.policies()) for planner in (Planner(scene, known, by_egress=way) for way in (False, True))]
    except UnsayableError as problem:
        return Refused((str(problem),))
    ordered = sorted(plans, key=lambda plan: size(plan[1]))
    planner, planned = ordered[0]
    if (fewer := fewer_than(Bounds(planner), len(planned))) is not None:
        ordered.insert(0, (planner, fewer))
    proved = (proof(scene, wanted, planned, partial(Bounds(planner).sense, len(planned))) for planner, planned in ordered)
    first = next(proved)
    return first if isinstance(first, Suggestion) else next((item for item in proved if isinstance(item, Suggestion)), first)


def size(planned: tuple[Planned, ...]) -> tuple[int, int]:
    """How many policies there are, and how much is to be read of them."""
    return len(planned), sum(rule.cost for item in planned for rules in (item.ingress, item.egress) for rule in rules or ())


def work(scene: Scene, known: Demands) -> int:
    """How much there is to describe: the sets of ends that are told apart, each by namespace."""
    return len({pod.namespace for pod in scene.pods}) * sum(map(len, {*known.into, *known.out}))


def proof(
    scene: Scene, wanted: Wanted, planned: tuple[Planned, ...] | tuple[Kept, ...], bound: Callable[[], str]
) -> Suggestion | Refused:
    """The policies, where it is proved that they admit what is wanted. ``bound``: in which sense they are the fewest, in words."""
    text = "---\n".join(map(written, planned))
    after, wrong = suggested(wanted.policies, text)
    if wrong:
        return Refused(("the suggested policies would not do what they say:", *wrong[:SHOWN]))
    different = list(islice(dict.fromkeys(map(str, differences(scene, after))), SHOWN + 1))
    if different:
        return Refused(tuple(unproved(scene, different)))
    fewest = bound()
    told = (*heading(scene, wanted, len(planned)), fewest)
    short = (fewest,) if isinstance(planned[0] if planned else None, Kept) else ()
    return Suggestion(planned, "".join(f"# {line}\n" for line in told) + text, (*wanted.notes, *short))


def bounded(gone: int, bounds: Bounds, count: int) -> str:
    """How far a set of policies that were there before is the smallest."""
    words = f"the policies of the input without {gone} rules that change nothing: without any other rule its direction would admit less"
    return f"{words}; fewer policies were not looked for; {bounds.briefly(count)}"


def uncertain(scene: Scene) -> Iterator[str]:
    """That what is wanted is not certain, with a pair for each reason."""
    yield "what is wanted is not certain, and is not guessed:"
    first = {item.why: item for item in sorted(scene.doubts, reverse=True)}
    for why, item in islice(sorted(first.items()), SHOWN):
        yield f"{item.source} → {item.destination}: {why}"
    yield from advice(scene)


def unproved(scene: Scene, different: Iterable[str]) -> Iterator[str]:
    """Where what NetworkPolicies can say differs from what is wanted."""
    yield "no set of NetworkPolicies was found that allows exactly what is wanted; the nearest one differs here:"
    lines = list(different)
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield "…"
    yield from advice(scene)


def advice(scene: Scene) -> Iterator[str]:
    """What would settle it, where that can be said."""
    if scene.policies.profile.blocks_match_pods is not False and any(not pod.addresses for pod in scene.pods):
        yield (
            "some pods' addresses are not known, and blocks may match them: with --cni of a system that holds blocks against others "
            "only (cilium), or --policy-switch blocks-match-pods=no, they do not"
        )


def heading(scene: Scene, wanted: Wanted, count: int) -> Iterator[str]:
    """The comment above the policies."""
    several = "policy" if count == 1 else "policies"
    yield f"{count} NetworkPolic{'y' if count == 1 else 'ies'}, to stand alone: {wanted.words}"
    families = " and ".join(f"IPv{family}" for family in scene.families)
    nodes = f", {len(scene.nodes)} nodes" if scene.nodes else ""
    yield (
        f"proved: TCP, UDP and SCTP between {len(scene.pods)} pods and workloads{nodes} and the outside, {families}: "
        f"the {several} below admit{'s' if count == 1 else ''} exactly that"
    )
    yield f"policies read as by the network system: {scene.policies.profile.name}"
    if not scene.nodes:
        yield "nodes are left aside"
    if unseen := sorted({pod_name(item) for item in scene.policies.world.cluster.listed.pods}):
        yield f"pods that are only listed are left aside, and the policies may close them: {', '.join(unseen[:SHOWN])}{', …' if len(unseen) > SHOWN else ''}"
    if any(scene.spaces[family].aside for family in scene.families):
        networks = sorted({item.prefix for item in scene.policies.world.cluster.ranges if item.purpose == "pod"})
        yield f"addresses of {', '.join(map(str, networks))} that no pod has are left aside"
    yield from wanted.notes
