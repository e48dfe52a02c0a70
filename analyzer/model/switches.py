"""The switches of Open vSwitch of a namespace: what ``ovs-vsctl``, ``ovs-ofctl show``, ``dump-flows`` and ``dump-groups`` say, put together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analyzer.facts.openvswitch import FlowFact, GroupFact, SwitchFact, SwitchPortFact
from analyzer.source import Gap, Source, Span

INTEGRATION = "br-int"
SHORT = 15
VERSION = re.compile(r"OpenFlow(\d\d)")


@dataclass(frozen=True, slots=True)
class Switch:
    """A bridge of Open vSwitch. ``ports`` by name. ``flows`` None: they were not captured. ``unread``: lines of its flows and groups that were not understood."""

    name: str
    at: Span
    fail_mode: str = ""
    datapath: str = ""
    ports: Mapping[str, SwitchPortFact] = field(default_factory=dict)
    flows: tuple[FlowFact, ...] | None = None
    groups: Mapping[int, GroupFact] = field(default_factory=dict)
    unread: tuple[Gap, ...] = ()


def switches(
    bridges: Iterable[SwitchFact],
    ports: Sequence[SwitchPortFact],
    flows: Sequence[FlowFact],
    groups: Sequence[GroupFact],
    sources: Mapping[str, Sequence[Source]],
    gaps: Iterable[Gap],
) -> dict[str, Switch]:
    """The switches by name. ``sources`` are the namespace's by kind: an empty listing of flows is one, too."""
    named: dict[str, SwitchFact] = {}
    for fact in bridges:
        named.setdefault(fact.name, fact)
    alone = INTEGRATION if INTEGRATION in named else next(iter(named)) if len(named) == 1 else ""
    gaps = tuple(gaps)
    again = {path for kind in ("ovs-flows", "ovs-groups") for path in listed_again(sources.get(kind, ()), gaps, alone)}
    flows = [flow for flow in flows if flow.at.path not in again]
    groups = [group for group in groups if group.at.path not in again]
    listed = {source.subject or alone for source in sources.get("ovs-flows", ())}
    by_bridge: dict[str, list[FlowFact]] = {}
    for flow in flows:
        by_bridge.setdefault(flow.bridge or alone, []).append(flow)
    told = [source for kind in ("ovs-flows", "ovs-groups") for source in sources.get(kind, ()) if source.path not in again]
    unread = [(source.subject or alone, gap) for gap in gaps for source in told if within(gap, source)]
    result = {}
    for name, fact in sorted(named.items()):
        result[name] = Switch(
            name,
            fact.at,
            fact.fail_mode,
            fact.datapath,
            ports_of(name, ports, alone),
            tuple(by_bridge.get(name, ())) if name in listed else None,
            {group.number: group for group in groups if (group.bridge or alone) == name},
            tuple(sorted(gap for bridge, gap in unread if bridge == name)),
        )
    return result


def listed_again(sources: Sequence[Source], gaps: Sequence[Gap], alone: str) -> set[str]:
    """The files that list what another of the same bridge does, in another version of OpenFlow: sos asks in all that a bridge speaks
    (``plugins/openvswitch.py``), and ``ovs-ofctl`` fails in those that it does not. The one kept was understood, of the newest version."""
    troubled = {gap.at.path for gap in gaps}
    paths: dict[str, list[str]] = {}
    for source in sources:
        paths.setdefault(source.subject or alone, []).append(source.path)
    left: set[str] = set()
    for found in (set(names) for names in paths.values()):
        kept = min(found, key=lambda path: (path in troubled, -version(path), path))
        left |= found - {kept}
    return left


def version(path: str) -> int:
    """The version of OpenFlow that a file's name says, as ``OpenFlow13`` does; 0 where it says none."""
    found = VERSION.search(path)
    return int(found[1]) if found else 0


def ports_of(bridge: str, facts: Sequence[SwitchPortFact], alone: str) -> dict[str, SwitchPortFact]:
    """A bridge's ports by name; what other texts say of them is added."""
    found = {fact.name: fact for fact in facts if fact.bridge == bridge and not fact.cut and fact.port}
    for fact in facts:
        if fact.name in found and fact is not found[fact.name] and fact.bridge in ("", bridge):
            found[fact.name] = joined(found[fact.name], fact)
    ports = {fact.port: name for name, fact in found.items()}
    for fact in facts:
        if not fact.bridge and fact.port and fact.port in ports and fact.name != ports[fact.port]:
            found[ports[fact.port]] = joined(found[ports[fact.port]], replace(fact, number=None, kind=""))
    for fact in facts:
        if fact.cut and (fact.bridge or alone) == bridge:
            short = [name for name in found if name[:SHORT] == fact.name]
            if len(short) == 1:
                found[short[0]] = joined(found[short[0]], fact)
    return dict(sorted(found.items()))


def joined(one: SwitchPortFact, other: SwitchPortFact) -> SwitchPortFact:
    """What two texts say of one interface."""
    return replace(
        one,
        kind=one.kind or other.kind,
        options=one.options or other.options,
        identifiers=one.identifiers or other.identifiers,
        tag=one.tag if one.tag is not None else other.tag,
        trunks=one.trunks or other.trunks,
        vlan_mode=one.vlan_mode or other.vlan_mode,
        number=one.number if one.number is not None else other.number,
        error=one.error or other.error,
    )


def switch_port(found: Mapping[str, Switch], device: str) -> SwitchPortFact | None:
    """The port that a device is, of a switch whose flows are known."""
    for switch in found.values():
        if switch.flows is not None and (port := switch.ports.get(device)) is not None:
            return port
    return None


def within(gap: Gap, source: Source) -> bool:
    """Whether a gap stands in a text; several parts of a session have one path."""
    first, last = source.extent()
    return gap.at.path == source.path and first <= gap.at.line <= last
