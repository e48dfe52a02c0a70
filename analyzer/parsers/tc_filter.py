"""``tc filter show``, text and JSON: u32, matchall and others, with their actions (iproute2 tc/tc_filter.c, f_u32.c, m_mirred.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analyzer.facts.base import Fact
from analyzer.facts.system import FilterFact, Mirred, OtherAction
from analyzer.parsers import Parser, gap
from analyzer.parsers._tc_flower import Keys, flower_keys
from analyzer.parsers._words import is_json, json_items, refuse_errors
from analyzer.source import Gap, Source, Span

HEADER = re.compile(r"^#.*?\bdev (\S+)(?:\s+(ingress|egress|root|parent \S+))?\s*$")
FILTER = re.compile(r"^filter\s+(?:dev (\S+)\s+)?(?:(ingress|egress)\s+|parent (\S+)\s+)?(.*)$")
MATCH = re.compile(r"^\s+match ([0-9a-f]{8})/([0-9a-f]{8}) at (-?\d+)")
ACTION = re.compile(r"^\s+action order \d+:\s*(\S+)\s*(.*)$")
FLOWER = re.compile(r"^  (eth_type|ip_proto|(?:src|dst)_(?:ip|port)|[a-z_]+) (\S+)$")
CHANCE = re.compile(r"^\s+random type ((?!none\b)\S.*)")
MIRRED = re.compile(r"\((Egress|Ingress) (Redirect|Mirror) to device (\S+?)\)")
NAMED = re.compile(
    r"(?:(?:(?P<before>ingress|egress|root)|parent_(?P<above>[^_]+))_dev_)?(?P<device>\S+?)"
    r"(?:_(?P<hook>ingress|egress|root)|_parent_(?P<parent>[^_]+))?(?:_-\S+)?"
)
BLOCK = re.compile(r"block_\d+(_-\S+)?")
PARENTS = {
    "ffff:": "ingress",
    "ffff:fff1": "ingress",
    "ffff:fff2": "ingress",
    "ffff:fff3": "egress",
    "ingress": "ingress",
    "egress": "egress",
}
KNOWN = re.compile(
    r"^\s+(index|Action statistics|Sent|backlog|installed|used|not_in_hw|random type|rule hit|police|key|skip|in_hw|eth_type|ip_proto|dst|src|chain|direct-action|jited|id |tag|limit|match IP)\b|^\s*$|success\b"
)


@dataclass(slots=True)
class Draft:
    """A filter while its lines are read."""

    number: int
    device: str
    hook: str
    words: list[str]
    keys: list[tuple[int, int, int]] = field(default_factory=list)
    actions: list[Mirred | OtherAction] = field(default_factory=list)
    flower: dict[str, str] = field(default_factory=dict)


def read(source: Source) -> Iterator[Fact | Gap]:
    """Filters in order of the text; ``# dev X ingress`` lines name the device of what follows."""
    if is_json(source.text):
        yield from read_json(source)
        return
    device, hook = named(source)
    draft: Draft | None = None
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip("\r")
        if header := HEADER.match(line):
            yield from finished(source, draft)
            draft, device, hook = None, header.group(1), PARENTS.get(header.group(2) or "", "")
        elif found := FILTER.match(line):
            yield from finished(source, draft)
            draft = Draft(
                number, found.group(1) or device, hook_of(found.group(2) or found.group(3), hook), found.group(4).split()
            )
        elif draft and (match := MATCH.match(line)):
            draft.keys.append((int(match.group(1), 16), int(match.group(2), 16), int(match.group(3))))
        elif draft and not draft.actions and "flower" in draft.words and (named_key := FLOWER.match(line)):
            draft.flower[named_key.group(1)] = named_key.group(2)
        elif draft and (action := ACTION.match(line)):
            draft.actions.append(action_of(action.group(1), action.group(2)))
        elif draft and draft.actions and (chance := CHANCE.match(line)):
            draft.actions[-1] = by_chance(draft.actions[-1], chance.group(1))
        elif not KNOWN.match(line) and not line.startswith("#"):
            yield from stranger(source, number, line)
    yield from finished(source, draft)


def hook_of(text: str | None, default: str) -> str:
    """``ingress``, ``egress`` or ``root`` from a parent; a handle that says nothing leaves the header's word."""
    return PARENTS.get(text or "", default or "root")


def stranger(source: Source, number: int, line: str) -> Iterator[Gap]:
    """A line that is no part of a filter."""
    try:
        refuse_errors(line)
        yield gap(source, number, f"not understood in a tc filter: {line.strip()[:60]!r}")
    except ValueError as problem:
        yield gap(source, number, str(problem))


def by_chance(action: Mirred | OtherAction, text: str) -> Mirred | OtherAction:
    """An action that is another now and then (``random type netrand drop val 5``)."""
    return OtherAction(action.name, f"{action.text} random {text}") if isinstance(action, OtherAction) else action


def action_of(name: str, text: str) -> Mirred | OtherAction:
    """``mirred (Egress Redirect to device vxlan1) stolen``."""
    if found := MIRRED.search(text):
        return Mirred(found.group(2) == "Redirect", found.group(1) == "Ingress", found.group(3))
    return OtherAction(name, text.removeprefix("action ").strip())


def finished(source: Source, draft: Draft | None) -> Iterator[Fact | Gap]:
    """The fact of a draft; header lines of u32 tables (without ``fh 800::800``) are none."""
    if draft is None:
        return
    words = draft.words
    if chain_of(words) != "0":
        return
    classifier = words[4] if len(words) > 4 else ""
    header = classifier in ("u32", "matchall", "flower", "bpf", "basic", "fw") and not draft.actions and not draft.keys
    if (
        header
        and (classifier == "u32" or len(words) <= 7)
        and "direct-action" not in words
        and "flowid" not in words
        and "classid" not in words
    ):
        return
    if not draft.device:
        yield gap(source, draft.number, "the filter's device is not named: expected a line '# dev eth0 ingress' before it")
        return
    keys = flower_keys(draft.flower) if classifier == "flower" else tuple(draft.keys)
    yield FilterFact(
        at=Span(source.path, draft.number),
        scope=source.scope,
        device=draft.device,
        hook=draft.hook,
        preference=int(words[3]) if len(words) > 3 and words[2] == "pref" else 0,
        protocol=words[1] if len(words) > 1 else "all",
        classifier=classifier,
        everything=everything(classifier, keys),
        keys=keys or (),
        actions=(*draft.actions, *program(classifier, "direct-action" in words)),
    )


def everything(classifier: str, keys: Keys | None) -> bool | None:
    """Whether a filter matches all packets; None where that is not known."""
    if classifier == "matchall":
        return True
    return all(mask == 0 for _, mask, _ in keys) if keys and classifier in ("u32", "flower") else None


def chain_of(words: Sequence[str]) -> str:
    """A filter's chain; those but 0 are only come to by ``goto chain``, which is an open action."""
    return words[words.index("chain") + 1] if "chain" in words[:-1] else "0"


def program(classifier: str, acts: bool) -> tuple[OtherAction, ...]:
    """What a BPF classifier with ``direct-action`` does by itself, which is not known (net/sched/cls_bpf.c, cls_bpf_classify)."""
    return (OtherAction("bpf", "direct-action"),) if classifier == "bpf" and acts else ()


def named(source: Source) -> tuple[str, str]:
    """The device and the hook of ``tc filter show dev eth0 ingress``, in any order: tc leaves out the parent that it was asked for (print_filter,
    tc/tc_filter.c). A block is of several devices, which are not named."""
    found = NAMED.fullmatch(source.subject)
    if found is None or BLOCK.fullmatch(source.subject):
        return "", ""
    parent = found["hook"] or found["parent"] or found["before"] or found["above"] or ""
    return found["device"], PARENTS.get(parent, "")


def read_json(source: Source) -> Iterator[Fact | Gap]:
    """``tc -j filter show dev X ingress``: the device stands in the file's name or in ``dev``. Of two places of a key both count."""
    named_device, named_hook = named(source)
    for item, at in json_items(source, pairs=every_match):
        options: Mapping[str, Any] = item.get("options") or {}
        actions = options.get("actions") or []
        classifier = item.get("kind", "")
        matches = options.get("match", ())
        keys: Keys | None = tuple(key_of(match) for match in matches) if classifier != "flower" else of_flower(options)
        own = program(classifier, "direct-action" in options)
        if (not actions and not keys and not own) or item.get("chain", 0) != 0:
            continue
        device = item.get("dev") or named_device
        if not device:
            yield Gap(at, "the filter's device is not named", source.kind, source.scope)
            continue
        yield FilterFact(
            at=at,
            scope=source.scope,
            device=device,
            hook=hook_of(item.get("parent"), named_hook),
            preference=int(item.get("pref", 0)),
            protocol=str(item.get("protocol", "all")),
            classifier=classifier,
            everything=everything(classifier, keys),
            keys=keys or (),
            actions=(*(action_from(action) for action in actions), *own),
        )


def every_match(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose ``match`` holds all of them: tc prints the key once for each (print_opt, tc/f_u32.c)."""
    matches = [value for key, value in pairs if key == "match"]
    return {**dict(pairs), "match": matches} if matches else dict(pairs)


def of_flower(options: Mapping[str, Any]) -> Keys | None:
    """The words of flower's keys (``{"keys": {"eth_type": "ipv4", "dst_port": 80}}``)."""
    keys = options.get("keys")
    return flower_keys({name: str(value) for name, value in keys.items()}) if isinstance(keys, Mapping) else None


def key_of(match: Mapping[str, Any]) -> tuple[int, int, int]:
    """The value, the mask and the offset of a u32 match."""
    return int(str(match["value"]), 16), int(str(match["mask"]), 16), int(match.get("off", 0))


def action_from(action: Mapping[str, Any]) -> Mirred | OtherAction:
    """One action of JSON."""
    if action.get("kind") == "mirred":
        return Mirred(action.get("mirred_action") == "redirect", action.get("direction") == "ingress", str(action["to_dev"]))
    found = OtherAction(str(action.get("kind", "")), str((action.get("control_action") or {}).get("type", "")))
    chance = action.get("prob")
    kind = chance.get("random_type", "none") if isinstance(chance, Mapping) else "none"
    return found if kind == "none" else by_chance(found, str(kind))


PARSER = Parser(
    kind="tc-filter",
    read=read,
    names=(r"tc_(-\S+_)*filters?(_(show|list|lst|ls))?(_dev)?(_(?P<subject>\S+?))?(\.json)?",),
    content=re.compile(r"^filter (dev \S+ )?(ingress |egress |parent \S+ )?protocol ", re.MULTILINE),
)
