"""What lines about interfaces that were not understood leave open: each could change, take or add a frame of its device.

Such a line stands as a filter that sees all that comes in and goes out, and of which nobody knows what it does. Where a line names no device, it could be
about any, and about one that is not known at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from analyzer.facts.links import Bridge, LinkFact, Vxlan
from analyzer.facts.neighbours import BridgePortFact, NeighbourFact
from analyzer.facts.routes import LOCAL, MAIN, RouteFact, RoutingRuleFact
from analyzer.facts.system import FilterFact, OtherAction, QdiscFact
from analyzer.model.network import Namespace
from analyzer.parsers._words import FAILED
from analyzer.parsers.tc_filter import named
from analyzer.source import CONTRADICTED, Gap, Source

UNREAD = "unread"
"""The classifier of what stands for a line that was not understood."""
FIXED = frozenset({"PERMANENT", "NOARP"})
INTERFACES = frozenset({"ip-addr", "ifconfig"})
OF_DEVICES = INTERFACES | {"tc-filter", "sysctl", CONTRADICTED}
HOOKS = frozenset({"ingress", "clsact"})
HIDDEN = "the filters of this qdisc"
OF_PORTS = frozenset({"bridge-link", "bridge-vlan", "brctl"})


def doubts(
    gaps: Iterable[Gap],
    links: Mapping[str, LinkFact],
    ports: Mapping[str, BridgePortFact],
    sources: Mapping[str, Sequence[Source]],
) -> Iterator[FilterFact]:
    """A filter for each hook of each device that lines which were not understood could be about. ``sources``: the namespace's, by kind. The first line of each
    stands for the others too: what any of them could do is not known, and the more of them are asked one by one, the more ways there are to decide."""
    first: dict[str, Gap] = {}
    for gap in gaps:
        for device in devices(gap, links, ports, sources) if not gap.reason.startswith(FAILED) else ():
            first.setdefault(device, gap)
    for device, gap in sorted(first.items()):
        for hook in ("ingress", "egress"):
            yield FilterFact(
                at=gap.at, scope=gap.scope, device=device, hook=hook, preference=0, protocol="all", classifier=UNREAD, everything=True,
                actions=(OtherAction(UNREAD, gap.reason), OtherAction("continue")),
            )  # fmt: skip


def strays(neighbours: Iterable[NeighbourFact], links: Mapping[str, LinkFact]) -> Iterator[Gap]:
    """Neighbours on devices that are none: whose they are is not known."""
    for entry in neighbours:
        if entry.device and entry.device not in links and links and entry.states & FIXED:
            yield Gap(entry.at, f"{entry.device}, on which this is a neighbour, is no interface", "ip-neigh", entry.scope)


def without_device(routes: Iterable[RouteFact], links: Mapping[str, LinkFact]) -> Iterator[Gap]:
    """Routes by devices that are none: a word of theirs is another, or the device's own line is missing."""
    for route in routes:
        device = next((hop.device for hop in route.next_hops if hop.device is not None and hop.device not in links), None)
        if device is not None and links:
            yield Gap(route.at, f"{device}, by which this route leads, is no interface", "ip-route", route.scope)


def headless(rules: Iterable[RoutingRuleFact]) -> Iterator[Gap]:
    """Listings of rules of which none looks up the kernel's own addresses, or the main table: a line is missing, or was damaged. Nobody lives without them."""
    found: dict[int, list[RoutingRuleFact]] = {}
    for rule in rules:
        found.setdefault(rule.family, []).append(rule)
    for _, of_family in sorted(found.items()):
        first, asked = of_family[0], {rule.table for rule in of_family}
        for name, number in (("local", LOCAL), ("main", MAIN)):
            if asked.isdisjoint((name, number)):
                yield Gap(first.at, f"no rule looks up the table {name}: the listing is not whole", "ip-rule", first.scope)


def without_filters(qdiscs: Iterable[QdiscFact], listings: Sequence[Source]) -> Iterator[Gap]:
    """Devices with a qdisc that only filters make anything of (tc(8), ``ingress``, ``clsact``), of which no filters were listed."""
    told = {named(source)[0] for source in listings}
    for fact in qdiscs:
        if fact.kind in HOOKS and told.isdisjoint(("", fact.device)):
            text = f"{HIDDEN} of {fact.device} were not captured (tc filter show dev {fact.device} ingress)"
            yield Gap(fact.at, text, "tc-filter", fact.scope, device=fact.device)


def not_understood(space: Namespace, key: str) -> bool:
    """Whether a listing is there that cannot be read, so that what it says is not the kernel's default. A command's error says nothing of it."""
    return key in space.missing and any(not gap.reason.startswith(FAILED) for gap in space.gaps.get(key, ()))


def devices(
    gap: Gap, links: Mapping[str, LinkFact], ports: Mapping[str, BridgePortFact], sources: Mapping[str, Sequence[Source]]
) -> frozenset[str]:
    """The devices whose frames a line could be about."""
    if gap.subject in OF_DEVICES:
        return frozenset((gap.device,)) if gap.device else frozenset(links)
    if gap.subject == "bridge-fdb":
        own = own_list(gap, links, sources.get(gap.subject, ()))
        tunnels = frozenset(name for name, link in links.items() if isinstance(link.kind, Vxlan))
        return tunnels | ports.keys() if own is None else tunnels & {own}
    if gap.subject in OF_PORTS:
        named = frozenset((gap.device,)) if gap.device in ports else frozenset(ports)
        return named - without_vlans(links, ports) if gap.subject == "bridge-vlan" else named
    return frozenset()


def without_vlans(links: Mapping[str, LinkFact], ports: Mapping[str, BridgePortFact]) -> frozenset[str]:
    """The ports of bridges that do not look at VLANs (``br_allowed_ingress`` and ``br_allowed_egress`` of net/bridge/br_vlan.c)."""
    kinds = {name: link.kind for name, link in links.items()}
    plain = {name for name, kind in kinds.items() if isinstance(kind, Bridge) and kind.vlan_filtering is False}
    return frozenset(name for name, port in ports.items() if port.master in plain)


def own_list(gap: Gap, links: Mapping[str, LinkFact], sources: Iterable[Source]) -> str | None:
    """The device in whose own list (``self``), which no bridge looks at, a forwarding entry is; None where that cannot be read."""
    source = next((one for one in sources if one.path == gap.at.path), None)
    words = source.line(gap.at.line).split() if source is not None else []
    named = [one for key, one in pairwise(words) if key == "dev" and one in links]
    return named[0] if named and "self" in words and "master" not in words else None


def incomplete(gaps: Iterable[Gap]) -> Gap | None:
    """The first line of the interfaces that was not understood and could be about any: a device or an address may not be known."""
    found = (gap for gap in gaps if gap.subject in INTERFACES and not gap.device and not gap.reason.startswith(FAILED))
    return min(found, default=None)


def words(fact: FilterFact) -> str:
    """What has to hold for a line to decide nothing."""
    reason = fact.actions[0].text if fact.actions and isinstance(fact.actions[0], OtherAction) else ""
    if reason.startswith(HIDDEN):
        return f"{reason} in {fact.scope}: they do not change what {fact.device} does with the packet"
    return f"the line of {fact.scope} that was not understood ({reason}) does not change what {fact.device} does with the packet"
