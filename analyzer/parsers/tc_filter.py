"""``tc filter show``, text (also on one line, ``-o``) and JSON: u32, matchall and others, with their actions (iproute2 tc/tc_filter.c, f_u32.c, m_mirred.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from analyzer.facts.base import Fact
from analyzer.facts.system import FilterFact, Mirred, OtherAction
from analyzer.parsers import Parser, gap, reason
from analyzer.parsers._tc_flower import Keys, flower_keys
from analyzer.parsers._words import is_json, json_items, refuse_errors
from analyzer.source import Gap, Source, Span

HEADER = re.compile(r"^#.*?\bdev (\S+)(?:\s+(ingress|egress|root|parent \S+))?\s*$")
FILTER = re.compile(r"^filter\s+(?:dev (\S+)\s+)?(?:(ingress|egress)\s+|parent (\S+)\s+)?(.*)$")
MATCH = re.compile(r"^\s+match ([0-9a-f]{8})/([0-9a-f]{8}) at (-?\d+)")
ACTION = re.compile(r"^\s+action order \d+:\s*(\S+)\s*(.*)$")
FLOWER = re.compile(r"^  (eth_type|ip_proto|(?:src|dst)_(?:ip|port)|[a-z_]+) (\S+)$")
CHANCE = re.compile(r"^\s+random type ((?!none\b)\S.*)")
MIRRED = re.compile(r"\((Egress|Ingress) (Redirect|Mirror) to device (\S+?)\)(?: (\w+))?\s*$")
TAKEN = ("stolen", "")
"""What ``mirred redirect`` gives back: tc takes no other word for it (parse_direction, tc/m_mirred.c)."""
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
WORDS = {
    **dict.fromkeys(("chain", "fh", "order", "ht", "bkt", "flowid", "*flowid", "classid", "handle", "tag", "id"), 1),
    **dict.fromkeys(("divisor", "link", "in_hw_count", "name"), 1),
    **dict.fromkeys(("key", "terminal", "not_in_hw", "in_hw", "skip_hw", "skip_sw", "direct-action", "jited"), 0),
}
"""The words behind a filter's classifier that are known, with how many follow each (print_opt of f_u32.c, f_matchall.c, f_flower.c, f_bpf.c)."""
PROTOCOLS = frozenset(
    [
        "all",
        "ip",
        "ipv6",
        "arp",
        "rarp",
        "802.1Q",
        "802.1ad",
        "802_3",
        "802_2",
        "mpls_uc",
        "mpls_mc",
        "ppp_disc",
        "ppp_ses",
        "aoe",
        "tipc",
        "loop",
        "lldp",
    ]
)
"""Protocols that tc has a name for, as far as they are met (lib/ll_proto.c); others are numbers in brackets."""
ROOTS = 0x800
"""Hash tables of u32 that are a preference's own begin here; others are come to by a ``link`` alone (gen_new_htid, net/sched/cls_u32.c)."""
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
    for number, line in lines(source.text):
        if header := HEADER.match(line):
            yield from finished(source, draft)
            draft, device, hook = None, header.group(1), PARENTS.get(header.group(2) or "", "")
        elif found := FILTER.match(line):
            yield from finished(source, draft)
            words = found.group(4).split()
            draft = Draft(number, found.group(1) or device, hook_of(found.group(2) or found.group(3), hook), words)
            yield from strange_words(source, draft)
        elif draft and (match := MATCH.match(line)):
            draft.keys.append((int(match.group(1), 16), int(match.group(2), 16), int(match.group(3))))
        elif draft and not draft.actions and "flower" in draft.words and (named_key := FLOWER.match(line)):
            draft.flower[named_key.group(1)] = named_key.group(2)
        elif draft and (action := ACTION.match(line)):
            draft.actions.extend(actions_of(action.group(1), action.group(2)))
        elif draft and draft.actions and (chance := CHANCE.match(line)):
            draft.actions[-1] = by_chance(draft.actions[-1], chance.group(1))
        elif not KNOWN.match(line) and not line.startswith("#"):
            yield from stranger(source, number, line)
            if not line.startswith((" ", "\t")):
                yield from finished(source, draft)
                draft = None
    yield from finished(source, draft)


def lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers; ``-o`` has a backslash where they would end."""
    for number, raw in enumerate(text.split("\n"), 1):
        for line in raw.rstrip("\r").split("\\"):
            yield number, line


def strange_words(source: Source, draft: Draft) -> Iterator[Gap]:
    """A gap where a filter's line is not of the known words: it might be of other packets, or do something else."""
    words = draft.words
    if draft.hook == "root":
        return
    if (words[0:1], words[2:3]) != (["protocol"], ["pref"]) or not protocol_known(words[1]) or not "".join(words[3:4]).isdigit():
        yield gap(source, draft.number, f"expected 'filter … protocol P pref N KIND …', not {' '.join(words)[:60]!r}")
    elif word := strange_word(words):
        yield gap(source, draft.number, f"the word {word!r} of a tc filter is not known")


def protocol_known(word: str) -> bool:
    """Whether a filter's protocol is one that tc has a name for, or a number."""
    return word in PROTOCOLS or (word.startswith("[") and word.endswith("]"))


def strange_word(words: Sequence[str]) -> str:
    """The first word behind the classifier that is not known, if any; a program of BPF has any name."""
    at = 5
    while at < len(words):
        named = words[4] == "bpf" and words[at - 2] == "handle"
        if words[at] == "(rule":
            return ""
        if words[at] not in WORDS and not named:
            return words[at]
        at += 1 + WORDS.get(words[at], 0) * (words[at : at + 2] != ["ht", "divisor"])
    return ""


def hook_of(text: str | None, default: str) -> str:
    """``ingress``, ``egress`` or ``root`` from a parent; a handle that says nothing leaves the header's word."""
    return PARENTS.get(text or "", default or "root")


def stranger(source: Source, number: int, line: str) -> Iterator[Gap]:
    """A line that is no part of a filter."""
    try:
        refuse_errors(line)
        yield gap(source, number, f"not understood in a tc filter: {line.strip()[:60]!r}")
    except ValueError as problem:
        yield gap(source, number, reason(problem))


def by_chance(action: Mirred | OtherAction, text: str) -> Mirred | OtherAction:
    """An action that is another now and then (``random type netrand drop val 5``)."""
    return OtherAction(action.name, f"{action.text} random {text}") if isinstance(action, OtherAction) else action


def actions_of(name: str, text: str) -> tuple[Mirred | OtherAction, ...]:
    """``mirred (Egress Redirect to device vxlan1) stolen``."""
    if name == "mirred" and (found := MIRRED.fullmatch(text)):
        way, what, device, control = found.groups()
        return mirrored(Mirred(what == "Redirect", way == "Ingress", device), control or "")
    return (OtherAction(name, text.removeprefix("action ").strip()),)


def mirrored(action: Mirred, control: str) -> tuple[Mirred | OtherAction, ...]:
    """What a mirror gives back decides like a ``gact`` behind it (``tcf_mirred_act``, net/sched/act_mirred.c); of a redirect only ``stolen`` is known."""
    if action.redirect:
        return (action,) if control in TAKEN else (OtherAction("mirred", f"redirect {control}"),)
    return (action,) if control in ("pipe", "") else (action, OtherAction("gact", f"action {control}"))


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
    keys = flower_keys(draft.flower) if classifier == "flower" else None if elsewhere(words) else tuple(draft.keys)
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
        actions=(*draft.actions, *program(classifier, "direct-action" in words)) or ending(classifier, words),
    )


def ending(classifier: str, words: Sequence[str]) -> tuple[OtherAction, ...]:
    """What a filter without actions does: the packet passes, and no other filter is asked (``tcf_exts_exec`` gives ``TC_ACT_OK``); only u32 goes on where it
    is not the end (``u32_classify``; tc prints ``*flowid`` where it is, and in JSON a ``flowid``, with which it sets this)."""
    ends = classifier != "u32" or not {"*flowid", "terminal"}.isdisjoint(words) or ("flowid" in words and "key_ht" in words)
    return (OtherAction("gact", "action pass"),) if ends else ()


def everything(classifier: str, keys: Keys | None) -> bool | None:
    """Whether a filter matches all packets; None where that is not known."""
    if classifier == "matchall":
        return True if keys is not None else None
    return all(mask == 0 for _, mask, _ in keys) if keys and classifier in ("u32", "flower") else None


def elsewhere(words: Sequence[str]) -> bool:
    """Whether more decides about a filter than its keys: it leads to another hash table of u32, stands in one, or is in hardware alone."""
    tables = [word for before, word in pairwise(words) if before == "ht" and word != "divisor"]
    return "link" in words or "skip_sw" in words or any(int(table.rstrip(":"), 16) < ROOTS for table in tables)


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
        if elsewhere(words_of(options)):
            keys = None
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
            actions=(*(one for action in actions for one in actions_from(action)), *own) or ending(classifier, tuple(options)),
        )


def words_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """What ``elsewhere`` looks at, in the words of the text."""
    table = str(options.get("key_ht", ""))
    return (*(("ht", table) if table else ()), *(word for word in ("link", "skip_sw") if word in options))


EDITS = ("queue_mapping", "priority", "ptype", "mark", "mask", "inheritdsfield")
"""What ``skbedit`` sets (print_skbedit, tc/m_skbedit.c)."""


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


def actions_from(action: Mapping[str, Any]) -> tuple[Mirred | OtherAction, ...]:
    """One action of JSON, as in text."""
    control = str((action.get("control_action") or {}).get("type", ""))
    if action.get("kind") == "mirred" and action.get("mirred_action") in ("redirect", "mirror") and "to_dev" in action:
        taken = Mirred(action["mirred_action"] == "redirect", action.get("direction") == "ingress", str(action["to_dev"]))
        return mirrored(taken, control)
    edits = " ".join(f"{key} {action[key]}" for key in EDITS if key in action)
    found = OtherAction(str(action.get("kind", "")), f"{edits} {control}".strip())
    chance = action.get("prob")
    kind = chance.get("random_type", "none") if isinstance(chance, Mapping) else "none"
    return (found,) if kind == "none" else (by_chance(found, str(kind)),)


PARSER = Parser(
    kind="tc-filter",
    read=read,
    names=(r"tc_(-\S+_)*filters?(_(show|list|lst|ls))?(_dev)?(_(?P<subject>\S+?))?(\.json)?",),
    content=re.compile(r"^filter (dev \S+ )?(ingress |egress |parent \S+ )?protocol ", re.MULTILINE),
)
