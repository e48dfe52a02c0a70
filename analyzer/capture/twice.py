"""What is there twice: a namespace's state from two places, a file of two contents."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import replace

from analyzer.capture.files import refusal
from analyzer.source import CONTRADICTED, Gap, Scope, Source, Span

FAILED = "failed-command"
COMPARED = 100
"""With so many texts of one namespace and kind what was captured again is compared: what is no copy of theirs counts as something else."""
TWICE = "it is there twice, with other content"
FLEETING = re.compile(
    r"^#.*\n?|\[\d+:\d+\] ?|^net\.netfilter\.nf_conntrack_count .*\n?|(?<=counter )packets \d+ bytes \d+ ?", re.MULTILINE
)
"""What differs between two captures of one state: when they were made, and how many packets rules and connection tracking have seen until then."""
LINK = re.compile(r"\d+: |    link/")
MODE = re.compile(r" mode \w+")
COUNTED = frozenset({"iptables-save", "nft", "sysctl"})
OF_PARTS = frozenset(
    {
        "nfnetlink-queue",
        "ip-addr",
        "ifconfig",
        "ip-route",
        "route-n",
        "ip-rule",
        "ip-neigh",
        "bridge-fdb",
        "bridge-link",
        "bridge-vlan",
        "brctl",
        "tc-filter",
        "ipvs",
        "conntrack",
        "ss",
    }
)
"""The kinds of state of which any line that was not understood leaves open what the whole could change."""
OF_NO_PACKET = frozenset(
    {"cni-config", "cni-plugins", "host-local", "flannel-subnet", "ip-netns", "resolv-conf", "rt-tables", "ethtool"}
)
Rooted = tuple[str, Source]


def without_doubled(sources: Sequence[Rooted], doubled: Set[str]) -> tuple[list[Rooted], list[Gap]]:
    """The sources without the state in files that are there twice with other content (``doubled``), and gaps for these: which of both a node has is not known.
    Objects of both are kept, whose contradictions are told where they stand."""
    kept: list[Rooted] = []
    gone: set[tuple[str, str, Scope]] = set()
    for root, source in sources:
        if source.path in doubled and source.scope and source.kind != "pasted":
            gone.add((source.path, source.kind, source.scope))
        else:
            kept.append((root, source))
    lost = [
        Gap(Span(path, 1), f"{TWICE}: neither is read; keep the one that is right", subject(kind), scope)
        for path, kind, scope in gone
    ]
    others = doubled - {path for path, _, _ in gone}
    return kept, [*lost, *(refusal(path, f"{TWICE}: both are read; keep the one that is right") for path in others)]


def once(sources: list[tuple[str, Source]]) -> tuple[list[Source], list[Gap]]:
    """Each namespace's state from one place only: the first by path is kept, and a gap names what was left out. Only what contradicts
    the first could change an answer; a copy could not."""
    first: dict[tuple[Scope, str], tuple[str, list[Source]]] = {}
    kept, gaps = [], []
    for root, source in sources:
        if source.scope is None or source.kind in ("pasted", FAILED):
            kept.append(source)
            continue
        state = (source.scope, source.kind)
        held, same = first.setdefault(state, (root, []))
        if held == root:
            kept.append(source)
            same.append(source)
            continue
        namesakes = [other for other in same if other.name == source.name] or same
        copy = any(lasting(source) == lasting(other) or links_of(source, other) for other in namesakes[:COMPARED])
        what = "this copy" if copy else "this one, which says otherwise,"
        reason = f"{source.scope} was captured twice: {source.kind} is taken from {same[0].path}, {what} is left out"
        gaps.append(replace(refusal(source.path, reason), subject="" if copy else subject(source.kind), scope=source.scope))
    return kept, gaps


def subject(kind: str) -> str:
    """What a gap is about that says of two texts of a kind that they differ."""
    return kind if kind in OF_PARTS | OF_NO_PACKET else CONTRADICTED


def links_of(source: Source, other: Source) -> bool:
    """Whether a text is ``ip link``'s of the interfaces of which the other is ``ip addr``'s."""
    if source.kind != "ip-addr" or source.says("    inet"):
        return False
    return interfaces(source) == interfaces(other)


def interfaces(source: Source) -> list[str]:
    """The lines that say an interface, its flags, its state and its hardware address (ip-link(8) adds the mode)."""
    return [MODE.sub("", line).rstrip() for line in source.text.split("\n") if LINK.match(line)]


def lasting(source: Source) -> str:
    """A text without what differs between two captures of one state."""
    return FLEETING.sub("", source.text) if source.kind in COUNTED else source.text
