"""The answer for people: who may talk to whom, in few lines.

A small answer is told source by source. In a large one endpoints to which the same is true stand together, and what is the same inside many
namespaces is said once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap

from analyzer.query.connectivity.allowed import Allow
from analyzer.query.connectivity.answer import Link
from analyzer.query.connectivity.entrances import Entrance
from analyzer.query.connectivity.exposure import Exposure
from analyzer.report.connectivity import Answer, ConnectivityFormat
from analyzer.report.connectivity._names import (
    NODES,
    OUTSIDE,
    Known,
    Natural,
    asked,
    asked_at,
    described,
    known,
    local,
    namespace_of,
    natural,
    space_list,
    words,
)
from analyzer.report.style import Style, safe

SMALL = 60
MOST = 12
REQUESTS = 4
Pattern = tuple[tuple[str, ...], tuple[str, ...], str]
"""Local names of sources and destinations, and what is allowed between them."""


def write(answer: Answer, style: Style) -> Iterable[str]:
    """The whole answer as text."""
    there = known(answer.found)
    if len(answer.found.parties) <= SMALL:
        in_order = sorted(answer.found.links, key=lambda link: (naturally(link.sources), naturally(link.destinations)))
        lines = by_source(tuple(in_order), there, style)
    else:
        lines = together(answer.found.links, there, style)
    parts = [list(lines) or ["nobody may talk to anybody"], uncertain(answer, there, style), left_out(answer, style)]
    parts += [entrance_lines(answer.entrances, style), exposure_lines(answer.exposure, there, style)]
    parts.append([f"policies read as by the network system: {safe(answer.profile)}", *([answer.aside] if answer.aside else ())])
    return ["\n\n".join("\n".join(part) for part in parts if part) + "\n"]


def by_source(links: tuple[Link, ...], there: Known, style: Style) -> Iterator[str]:
    """The destinations of each source, or of sources that have the same."""
    groups: dict[tuple[str, ...], list[Link]] = {}
    for link in links:
        groups.setdefault(link.sources, []).append(link)
    for sources, own in groups.items():
        yield style.paint(listed(sources, there, style), "strong")
        for link in own:
            yield from target(link, there, style)


def naturally(names: Iterable[str]) -> list[Natural]:
    """The order of a list of names."""
    return sorted(map(natural, names))


def target(link: Link, there: Known, style: Style) -> Iterator[str]:
    """The destinations of a link, and what is allowed."""
    family = f" (IPv{link.family} only)" if link.family else ""
    first, *more = wrap(listed(link.destinations, there, style), style.width - 6, break_on_hyphens=False) or [""]
    yield f"  → {first}" + "".join(f"\n    {line}" for line in more) + f": {style.paint(safe(words(link.allow)), 'good')}{family}"


def listed(ids: Iterable[str], there: Known, style: Style) -> str:
    """Endpoints in few words."""
    return safe(", ".join(described(ids, there, 1_000_000 if style.verbose else MOST)))


def together(links: tuple[Link, ...], there: Known, style: Style) -> Iterator[str]:
    """Sources of the same destinations together; what is so inside of many namespaces once."""
    merged: dict[tuple[tuple[str, ...], object, int | None], tuple[set[str], Link]] = {}
    inside: dict[Pattern, list[str]] = {}
    for link in links:
        if (space := only_namespace(link)) is not None:
            names = tuple(map(local, link.sources)), tuple(map(local, link.destinations))
            inside.setdefault((*names, words(link.allow)), []).append(space)
        else:
            merged.setdefault((link.destinations, link.allow, link.family), (set(), link))[0].update(link.sources)
    yield from inside_lines(inside, there, style)
    heads: dict[str, list[Link]] = {}
    for ends, link in sorted(merged.values(), key=lambda item: (naturally(item[0]), naturally(item[1].destinations))):
        heads.setdefault(listed(sorted(ends), there, style), []).append(link)
    for head, own in heads.items():
        yield style.paint(head, "strong")
        for link in own:
            yield from target(link, there, style)


def inside_lines(inside: dict[Pattern, list[str]], there: Known, style: Style) -> Iterator[str]:
    """What is so inside of the same namespaces."""
    by_spaces: dict[tuple[str, ...], list[Pattern]] = {}
    for key, spaces in inside.items():
        by_spaces.setdefault(tuple(spaces), []).append(key)
    for where, keys in sorted(by_spaces.items(), key=lambda item: (-len(item[0]), naturally(item[0]))):
        which = "namespace" if len(where) == 1 else "each of"
        yield style.paint(f"inside {which} {safe(space_list(where, there))}", "strong")
        for sources, destinations, what in keys:
            ends = [side_text(side, where, there) for side in (sources, destinations)]
            yield f"  {ends[0]} → {ends[1]}: {style.paint(safe(what), 'good')}"


def side_text(names: tuple[str, ...], spaces: tuple[str, ...], there: Known) -> str:
    """Local names; ``*`` where they are all that the namespaces have."""
    whole = len(names) > 2 and all(there.has_all(space, names) for space in spaces)
    return "*" if whole else safe(", ".join(names))


def only_namespace(link: Link) -> str | None:
    """The namespace that all ends of a link are in; None where they are in several, or not in one."""
    found = namespace_of(link.sources[0])
    if found in (OUTSIDE, NODES) or link.family or namespace_of(link.destinations[-1]) != found:
        return None
    return found if all(namespace_of(name) == found for name in (*link.sources, *link.destinations)) else None


def left_out(answer: Answer, style: Style) -> list[str]:
    """The pods that are only listed."""
    if not answer.left_out:
        return []
    names = answer.left_out if style.verbose else answer.left_out[:MOST]
    more = f" and {len(answer.left_out) - len(names)} more" if len(names) < len(answer.left_out) else ""
    said = f"{safe(', '.join(names))}{more}: policies look at more than a listing shows (kubectl get pods -A -o yaml)"
    lines = wrap(said, style.width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    return [style.paint("nothing is said of pods that are only listed", "unsure"), *lines]


def uncertain(answer: Answer, there: Known, style: Style) -> list[str]:
    """What is not certain, by its reason; each pair when all is asked for."""
    if not answer.found.uncertain:
        return []
    lines = [style.paint("not certain", "unsure")]
    reasons: dict[tuple[str, str], list[Link]] = {}
    for link in answer.found.uncertain:
        reasons.setdefault((link.why, words(link.allow)), []).append(link)
    for (why, what), links in reasons.items():
        count = sum(1 for _ in answer.found.pairs(tuple(links)))
        lines += wrap(
            f"{what} between {count} pair{'s' if count != 1 else ''}: {safe(why)}",
            style.width,
            initial_indent="  ",
            subsequent_indent="    ",
        )
        if style.verbose:
            for link in links:
                lines.append(f"    {listed(link.sources, there, style)} → {listed(link.destinations, there, style)}")
    return lines


def entrance_lines(entrances: tuple[Entrance, ...], style: Style) -> list[str]:
    """The ways in, by their object."""
    lines = [style.paint("from outside, through services", "strong")] if entrances else []
    for item in entrances:
        verdict = {True: ("reaches", "good"), False: ("is kept from", "bad"), None: ("may reach", "unsure")}[item.admitted]
        why = f" ({safe(item.why)})" if item.why else ""
        requests = f", {asked(item.requests, None if style.verbose else REQUESTS)}" if item.requests else ""
        what = f"{item.kind} {item.name}{requests}, {asked_at(item)}: {item.source}"
        lines.append(f"  {safe(what)} {style.paint(*verdict)} {safe(item.destination)} {safe(words(item.allow))}{why}")
    return lines


def exposure_lines(exposure: Exposure | None, there: Known, style: Style) -> list[str]:
    """What pods that are not there could reach and be reached by; with labels only where that makes a difference."""
    if exposure is None:
        return []
    links = telling(exposure)
    told = together(links, there, style) if len(links) > SMALL else by_source(links, there, style)
    lines = [style.paint("pods that are not there yet", "strong"), *(f"  {line}" for line in told)]
    for way, ids in (("into", exposure.open_ingress), ("out of", exposure.open_egress)):
        if ids:
            lines.append(f"  no policy is about traffic {way} {listed(ids, there, style)}")
    return lines if exposure.complete else [*lines, f"  only the first {len(exposure.unknowns)} such pods were looked at"]


def telling(exposure: Exposure) -> tuple[Link, ...]:
    """The links without the pods of which the same is true without their labels."""
    base = {item.id: item.base for item in exposure.unknowns}
    groups: dict[tuple[tuple[str, ...], bool, Allow, int | None], set[str]] = {}
    for link in exposure.links:
        outwards = link.sources[0] in base
        own, others = (link.sources, link.destinations) if outwards else (link.destinations, link.sources)
        groups.setdefault((others, outwards, link.allow, link.family), set()).update(own)
    found = []
    for (others, outwards, allow, family), ids in groups.items():
        own = tuple(sorted(name for name in ids if base[name] == name or base[name] not in ids))
        found.append(Link(own, others, allow, family) if outwards else Link(others, own, allow, family))
    return tuple(
        sorted(found, key=lambda link: (link.sources[0] not in base, naturally(link.sources), naturally(link.destinations)))
    )


FORMAT = ConnectivityFormat("text", write)
