"""``ipset save`` and ``ipset list``, as text or as XML: sets with their members as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.facts.base import Fact
from analyzer.facts.netfilter import IpsetFact
from analyzer.parsers import Parser, gap, reason
from analyzer.parsers._ipset_xml import listed_sets
from analyzer.parsers._words import FAILED, refuse_errors
from analyzer.source import Gap, Source, Span

TYPE = re.compile(r"bitmap:(ip|ip,mac|port)|list:set|hash:(ip|net|mac)(,(ip|net|port|mac|iface|mark|proto)){0,2}")
FIELDS = ("Type:", "Revision:", "Header:", "Size in memory:", "References:", "Number of entries:", "Members:")


@dataclass(slots=True)
class Draft:
    """A set while its lines are read."""

    name: str
    type: str
    line: int
    options: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)


def read(source: Source) -> Iterator[Fact | Gap]:
    """Sets in the order in which they are created."""
    if source.text.lstrip().startswith("<"):
        yield from (finished(source, Draft(*item)) for item in listed_sets(source.text))
        return
    drafts: dict[str, Draft] = {}
    current: Draft | None = None
    for number, raw in enumerate(source.text.split("\n"), 1):
        words = raw.split()
        if not words or words[0].startswith("#"):
            continue
        if words[1:2] in (["-exist"], ["-!"]):
            del words[1]
        if words[0] == "create" and len(words) >= 3:
            drafts[words[1]] = Draft(words[1], words[2], number, words[3:])
        elif words[0] == "add" and len(words) >= 3 and words[1] in drafts:
            drafts[words[1]].members.append(" ".join(words[2:]))
        elif raw.startswith("Name: "):
            current = drafts[words[1]] = Draft(words[1], "", number)
        elif current is not None and raw.startswith(FIELDS):
            listed_field(current, raw)
        elif current is not None and current.type:
            current.members.append(" ".join(words))
        else:
            found = stranger(source, number, raw)
            yield found
            if not found.reason.startswith(FAILED):
                unsure(drafts, words)
    for draft in drafts.values():
        if TYPE.fullmatch(draft.type):
            yield finished(source, draft)
        else:
            yield gap(source, draft.line, f"expected a type of sets such as 'hash:ip,port', not {draft.type[:60]!r}")


def listed_field(draft: Draft, line: str) -> None:
    """A field of ``ipset list``."""
    key, _, value = line.partition(":")
    if key == "Type":
        draft.type = value.strip()
    elif key == "Header":
        draft.options = value.split()


def unsure(drafts: Mapping[str, Draft], words: Sequence[str]) -> None:
    """A line that is not understood may be a member of the set that it names, or else of any: as one that is not understood."""
    named = [drafts[word] for word in words if word in drafts]
    for draft in named or drafts.values():
        draft.members.append(f"?{words[0]}")


def stranger(source: Source, number: int, line: str) -> Gap:
    """A line that belongs to no set."""
    try:
        refuse_errors(line)
    except ValueError as problem:
        return gap(source, number, reason(problem))
    return gap(source, number, f"expected 'create NAME TYPE' or 'add NAME MEMBER', not {line.strip()[:60]!r}")


def finished(source: Source, draft: Draft) -> IpsetFact:
    """The fact of a set."""
    family = 6 if re.search(r"\bfamily inet6\b", " ".join(draft.options)) else 4
    return IpsetFact(
        at=Span(source.path, draft.line),
        scope=source.scope,
        name=draft.name,
        type=draft.type,
        family=family,
        members=tuple(draft.members),
        options=tuple(draft.options),
    )


PARSER = Parser(
    kind="ipset",
    read=read,
    names=(r"ipset([_-](-\S+_)*(save|list|-S|-L))?(_-\S+)*", r"ipsets?"),
    content=re.compile(
        r"^create \S+ (hash|bitmap|list):|^Name: \S+\r?\nType: (hash|bitmap|list):|\A\s*(<\?xml[^>]*>\s*)?<ipsets>", re.MULTILINE
    ),
)
