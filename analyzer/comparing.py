"""Two inputs against each other: the stages of ``pipeline.py`` on both sides, and what comes out otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from analyzer.capture.reading import facts
from analyzer.model.attachments import attachments, by_node, node_names
from analyzer.model.build import build
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.pipeline import Input, Progress, analyze, quiet
from analyzer.policy.profiles import Profile
from analyzer.query.differences.comparison import Comparison, finding_changes, verdict_changes
from analyzer.query.differences.difference import Difference, difference
from analyzer.query.differences.ways import ChangedWay, changed_ways
from analyzer.query.policies import Identity, known, profile_of
from analyzer.query.policy_parties import pod_name
from analyzer.query.whatif.edits import Apply, Edit, NodeRun

ENOUGH = 10


def compare(
    old: Input,
    new: Input,
    profiles: tuple[Profile, Profile] | None = None,
    names: tuple[str, str] = ("old", "new"),
    progress: Progress = quiet,
    jobs: int = 1,
    *,
    policies_only: bool = False,
) -> Comparison:
    """What changes in meaning from one input to the other. ``profiles``: how each reads policies, where it is not as recognised.

    Guarantees and findings are compared where both hold node state, unless ``policies_only``."""
    progress("comparing policies")
    read = profiles or (profile_of(old.network), profile_of(new.network))
    found = policies(old, new, read)
    ways = through_services(old, new, read)
    incomplete = (*unread(old, names[0]), *unread(new, names[1]), *unseen(old.network.cluster, new.network.cluster))
    if policies_only or not (old.network.namespaces and new.network.namespaces):
        return Comparison(found, ways=ways, incomplete=incomplete, old=names[0], new=names[1])
    before, after = analyze(old, progress=progress, jobs=jobs), analyze(new, progress=progress, jobs=jobs)
    appeared, disappeared = finding_changes(before, after)
    return Comparison(found, tuple(verdict_changes(before, after)), appeared, disappeared, incomplete, *names, ways=ways)


def policies(old: Input, new: Input, profiles: tuple[Profile, Profile]) -> Difference:
    """Who may talk to whom, before and after; where the one is the other after edits, by what they change."""
    if new.before is not None and new.before[0] is old and profiles[0] == profiles[1]:
        from analyzer.query.whatif.loaded import loaded

        edits = [edit for edit in new.before[1] if not isinstance(edit, NodeRun)]
        return loaded(Identity(old.network.cluster), profiles[0]).whatif(edits, new.network.cluster)
    before, after = (known(Identity(given.network.cluster), profile) for given, profile in zip((old, new), profiles, strict=True))
    return difference(before, after)


def through_services(old: Input, new: Input, profiles: tuple[Profile, Profile]) -> tuple[ChangedWay, ...]:
    """What is reached through services and routes on the one side and not on the other."""
    if not any(given.network.cluster.services for given in (old, new)):
        return ()
    before, after = (known(Identity(given.network.cluster), profile) for given, profile in zip((old, new), profiles, strict=True))
    return changed_ways(before, after)


def unread(given: Input, name: str) -> Iterator[str]:
    """What of an input could not be read, in words."""
    for gap in given.unreadable:
        yield f"{name}: {gap.at.path}: {gap.reason}"


def unseen(old: Cluster, new: Cluster) -> Iterator[str]:
    """The pods that are only listed, where objects that could be about them differ: policies are not asked about such."""
    names = sorted({pod_name(item) for cluster in (old, new) for item in cluster.listed.pods})
    if names and documents(old) != documents(new):
        more = f" and {len(names) - ENOUGH} more" if len(names) > ENOUGH else ""
        yield f"what changes for pods that are only listed is not known (kubectl get pods -A -o yaml): {', '.join(names[:ENOUGH])}{more}"


def documents(cluster: Cluster) -> dict[tuple[str, ...], object]:
    """What is said of objects, wherever it stands."""
    return {(item.api_version, item.kind, item.namespace or "", item.name): item.document for item in cluster.others}


def after(given: Input, edits: Sequence[Edit]) -> Input:
    """The input as it would be after the edits, in their order, behind those that were made before. EditError where one does not fit."""
    from analyzer.query.whatif.objects import edited

    origin, made = given.before or (given, ())
    edits = (*made, *edits)
    network = origin.network
    runs = [edit for edit in edits if isinstance(edit, NodeRun)]
    if runs:
        network = node_state(origin, runs)
    unreadable = origin.unreadable
    if len(runs) < len(edits):
        found = edited(network.cluster, edits)
        sources = {edit.source.path: edit.source for edit in edits if isinstance(edit, Apply)}
        network = replace(
            with_cluster(network, found.cluster), sources={**network.sources, **sources}, gaps=(*network.gaps, *found.gaps)
        )
        unreadable = (*unreadable, *found.gaps)
    sources_now = tuple(network.sources.values())
    return replace(origin, network=network, sources=sources_now, gaps=network.gaps, unreadable=unreadable, before=(origin, edits))


def with_cluster(network: Network, cluster: Cluster) -> Network:
    """The network of the same nodes, with other objects."""
    if not network.namespaces:
        return replace(network, cluster=cluster)
    names = node_names(cluster, network.namespaces, network.owners)
    pods = attachments(cluster, network.namespaces, network.owners, names)
    return replace(network, cluster=cluster, node_names=names, attachments=pods, pods_of=by_node(pods))


def node_state(given: Input, runs: Sequence[NodeRun]) -> Network:
    """The network as it would be after commands on its nodes: the facts are read again, altered, and put together again."""
    from analyzer.query.whatif.node import ran
    from analyzer.query.whatif.state import NodeState

    known, gaps = facts(given.sources)
    state = NodeState(given.sources, known, given.network.peers)
    for run in runs:
        state = ran(state, run)
    return build(
        state.sources, state.facts, tuple(dict.fromkeys((*given.unreadable, *gaps))), assume_defaults=given.assume_defaults
    )
