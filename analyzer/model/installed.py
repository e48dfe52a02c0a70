"""What is installed, from the facts of nodes: namespaces with what connects them, and what nodes keep in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analyzer.copies import altered
from analyzer.facts.amazon import AmazonAddressFact
from analyzer.facts.calico import (
    BorrowedFact,
    IpamProblemFact,
    MapFrontendFact,
    MapRouteFact,
    PoolUseFact,
    StatedBlockFact,
)
from analyzer.facts.cni import CniConfigFact, LeaseCursorFact, LeaseFact, PluginFact
from analyzer.facts.docker import DockerContainerFact, DockerNetworkFact
from analyzer.facts.links import NamespaceIdFact
from analyzer.facts.ovn import ChassisFact, LogicalObjectFact, LogicalPortFact
from analyzer.facts.romana import RomanaBlockFact, RomanaHostFact
from analyzer.facts.routes import TableNameFact
from analyzer.facts.system import ResolverFact, SubnetFileFact
from analyzer.model.again import Built, Made
from analyzer.model.attachments import attachments, by_node, node_names, owners
from analyzer.model.captured import NAMESPACE_KINDS, captured, lines_of
from analyzer.model.cilium_pods import pods_unseen
from analyzer.model.fabric import fabric
from analyzer.model.namespaces import by_subject, namespace
from analyzer.model.network import Interface, Namespace, Network, NodeFiles, RecordedFact
from analyzer.model.ordering import Ordered
from analyzer.model.pairs import pairs
from analyzer.model.routers import routers
from analyzer.model.routing import table_names
from analyzer.model.segments import outside, segments
from analyzer.model.wires import paths, wires
from analyzer.source import Gap, Scope, Source


def installed(
    objects: Network,
    texts: Sequence[Source],
    known: Ordered,
    read: Sequence[Gap],
    assume_defaults: bool = False,
    earlier: Built | None = None,
) -> Network:
    """The network of ``objects`` (the cluster, the texts and their gaps) with what is installed. ``texts`` and ``read``, the gaps of reading, in order;
    the others as for ``build``."""
    wanted = objects.cluster
    spaces = namespaces(texts, known, read, assume_defaults, earlier)
    connected = pairs({scope: space.links for scope, space in spaces.items()}, known.all(NamespaceIdFact))
    for at, unseen in pods_unseen(spaces, connected.peers, known, assume_defaults):
        other = Interface(unseen.scope, "eth0")
        spaces[unseen.scope], connected.peers[at], connected.peers[other] = unseen, other, at
    more = [*connected.gaps, *(gap for space in spaces.values() for group in space.gaps.values() for gap in group)]
    every = tuple(sorted({*objects.gaps, *more}))
    spaces = with_gaps(spaces, every)
    owned = owners(spaces)
    names = node_names(wanted, spaces, owned)
    pods = attachments(wanted, spaces, owned, names)
    edge = outside(spaces, connected.peers)
    joined = paths(spaces, connected.peers, connected.lower)
    wired = wires(joined, edge)
    found = segments(joined, edge, wired)
    return Network(
        namespaces=spaces,
        cluster=wanted,
        peers=dict(sorted(connected.peers.items())),
        outside=edge,
        lower=dict(sorted(connected.lower.items())),
        sockets=dict(sorted(connected.sockets.items())),
        owners=owned,
        segments=found,
        segment_of={at: segment for segment in found for at in segment.members},
        wires=wired,
        attachments=pods,
        files=files(known, texts),
        resolvers=resolvers(known),
        sources=objects.sources,
        gaps=every,
        node_names=names,
        pods_of=by_node(pods),
        fabric=fabric(wanted, known.all(CniConfigFact), spaces),
        logical_ports=tuple(dict.fromkeys(known.all(LogicalPortFact))),
        logical_objects=tuple(dict.fromkeys(known.all(LogicalObjectFact))),
        chassis=tuple(dict.fromkeys(known.all(ChassisFact))),
        routers=routers(known, every),
        ipam=recorded(known),
        docker=(*known.all(DockerNetworkFact), *known.all(DockerContainerFact)),
        calico_maps=(*known.all(MapRouteFact), *known.all(MapFrontendFact)),
    )


def recorded(facts: Ordered) -> tuple[RecordedFact, ...]:
    """What texts say of systems' address management."""
    found: list[RecordedFact] = [*facts.all(PoolUseFact), *facts.all(BorrowedFact), *facts.all(StatedBlockFact)]
    found += [*facts.all(IpamProblemFact), *facts.all(RomanaBlockFact), *facts.all(RomanaHostFact), *facts.all(AmazonAddressFact)]
    return tuple(dict.fromkeys(found))


def namespaces(
    sources: Sequence[Source], facts: Ordered, gaps: Sequence[Gap], assume: bool, earlier: Built | None = None
) -> dict[Scope, Namespace]:
    """Every namespace that a text of the kernel's state is about."""
    lines = lines_of((fact for group in facts.by_type.values() for fact in group), gaps)
    by_gap: dict[Scope | None, list[Gap]] = {}
    for gap in gaps:
        by_gap.setdefault(gap.scope, []).append(gap)
    by_scope: dict[Scope, list[Source]] = {}
    for source in sources:
        if source.scope is not None and source.kind:
            by_scope.setdefault(source.scope, []).append(source)
    scopes = sorted(scope for scope, found in by_scope.items() if any(source.kind in NAMESPACE_KINDS for source in found))
    given = {scope: captured(scope, by_scope.get(scope, ()), lines, by_gap.get(scope, ())) for scope in scopes}
    names = {scope: table_names(facts.of(TableNameFact, Scope(scope.node))) for scope in scopes}
    if earlier is None:
        return {scope: namespace(scope, facts, given[scope], names[scope], assume) for scope in scopes}
    before, by_kind, made = earlier.spaces, facts.by_namespace(), dict[Scope, Made]()
    for scope in scopes:
        own, last = by_kind.get(scope, {}), before.get(scope)
        if last is None or not last.of(own, given[scope], names[scope], assume):
            space = namespace(scope, facts, given[scope], names[scope], assume)
            last = Made(space, own, given[scope], names[scope], assume)
        made[scope] = last
    earlier.spaces = made
    return {scope: one.space for scope, one in made.items()}


def with_gaps(spaces: Mapping[Scope, Namespace], gaps: Sequence[Gap]) -> dict[Scope, Namespace]:
    """The namespaces, each with the gaps that belong to it, by kind."""
    found: dict[Scope | None, list[Gap]] = {}
    for gap in gaps:
        found.setdefault(gap.scope, []).append(gap)
    return {
        scope: altered(space, gaps=by_subject(found.get(scope, ()))) if scope in found or space.gaps else space
        for scope, space in spaces.items()
    }


def resolvers(facts: Ordered) -> dict[str, ResolverFact]:
    """The nodes' own resolv.conf."""
    found: dict[str, ResolverFact] = {}
    for fact in facts.all(ResolverFact):
        if fact.scope is not None and not fact.scope.namespace:
            found.setdefault(fact.scope.node, fact)
    return dict(sorted(found.items()))


def files(facts: Ordered, sources: Sequence[Source]) -> dict[str, NodeFiles]:
    """What each node keeps in files. The runtime reads configuration in the order of the files' names (libcni, ConfFiles)."""
    kinds = (CniConfigFact, LeaseFact, LeaseCursorFact, PluginFact, SubnetFileFact)
    nodes = {fact.scope for kind in kinds for fact in facts.all(kind) if fact.scope is not None}
    listed = {source.scope for source in sources if source.scope and source.path.endswith("opt_cni_bin")}
    result = {}
    for scope in sorted({Scope(scope.node) for scope in nodes | listed}):
        plugins = tuple(facts.of(PluginFact, scope))
        result[scope.node] = NodeFiles(
            configs=tuple(sorted(facts.of(CniConfigFact, scope), key=lambda fact: fact.file)),
            leases=tuple(facts.of(LeaseFact, scope)),
            cursors=tuple(facts.of(LeaseCursorFact, scope)),
            plugins=plugins if plugins or scope in listed else None,
            subnet_file=next(iter(facts.of(SubnetFileFact, scope)), None),
        )
    return result
