"""The containers of network systems and of the control plane: their flags and environment, with places."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from analyzer.facts.kubernetes import Located, ObjectFact
from analyzer.source import Span

NAMES = re.compile(
    r"kube-apiserver|kube-controller-manager|kube-proxy|kube-flannel|flannel|calico-node|install-cni|kube-router|weave|weave-npc|cilium-agent"
    r"|kube-ovn-controller|kube-ovn-cni|cni-server|kube-ovn-.*|ovnkube-.*|ovn-.*|romana-.*|terway|aws-node|k3s|kubelet"
)
TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "DaemonSet": ("spec", "template", "spec"),
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "Pod": ("spec",),
}
WORD = re.compile(r"(?<![\w-])(--?[A-Za-z0-9][\w-]*)(?:=(\"[^\"]*\"|'[^']*'|[^\s;\"']*))?")


@dataclass(frozen=True, slots=True)
class Program:
    """A container: the object it is of, its name and where that stands, its flags (``--cluster-cidr``) and its environment. ``elsewhere``:
    the variables whose values come from other objects; None where all of these may (``envFrom``). ``repeated``: flags that are given more than
    once, of which the last is kept: lists add up."""

    fact: ObjectFact = field(compare=False, repr=False)
    container: str
    flags: Mapping[str, Located]
    environment: Mapping[str, Located]
    at: Span = field(compare=False, repr=False)
    elsewhere: frozenset[str] | None = frozenset()
    repeated: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.fact.kind} {self.fact.name}"


def programs(objects: Iterable[ObjectFact]) -> Iterator[Program]:
    """The containers whose name is that of a network system's, of all workloads and pods."""
    for fact in objects:
        path = TEMPLATES.get(fact.kind)
        spec: Any = fact.document
        for part in path or ():
            spec = spec.get(part) if isinstance(spec, Mapping) else None
        if not isinstance(spec, Mapping) or path is None:
            continue
        for key in ("containers", "initContainers"):
            items = spec.get(key)
            for index, item in enumerate(items if isinstance(items, list) else ()):
                if isinstance(item, Mapping) and NAMES.fullmatch(str(item.get("name"))):
                    yield program(fact, item, (*path, key, index))


def program(fact: ObjectFact, item: Mapping[str, Any], path: tuple[str | int, ...]) -> Program:
    """One container."""
    given: list[tuple[str, Located]] = []
    for part in ("command", "args"):
        found = item.get(part)
        words = [str(word) for word in found] if isinstance(found, list) else []
        for index, word in enumerate(words):
            at = fact.place(*path, part, index)
            given += flags_of(word, words[index + 1 :], at, fact.place(*path, part, index + 1))
    name, written = str(item.get("name")), environment(fact, item, path)
    repeated = frozenset(flag for flag, count in Counter(flag for flag, _ in given).items() if count > 1)
    return Program(fact, name, dict(given), written, fact.place(*path, "name"), elsewhere(item, written), repeated)


def flags_of(word: str, rest: list[str], at: Span, after: Span) -> Iterator[tuple[str, Located]]:
    """The flags of a word: one, with its value behind ``=`` or in the next word; a shell command has several."""
    if not word.startswith("-"):
        yield from ((found[1], Located((found[2] or "").strip("\"'"), at)) for found in WORD.finditer(word[:65536]))
        return
    flag, equals, value = word.partition("=")
    if equals:
        yield flag, Located(value.strip("\"'"), at)
    elif rest and not rest[0].startswith("-"):
        yield flag, Located(rest[0].strip("\"'"), after)
    else:
        yield flag, Located("true", at)


def environment(fact: ObjectFact, item: Mapping[str, Any], path: tuple[str | int, ...]) -> dict[str, Located]:
    """The variables that are written out."""
    found: dict[str, Located] = {}
    listed = item.get("env")
    for index, one in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(one, Mapping) and isinstance(one.get("value"), str):
            found[str(one.get("name"))] = Located(one["value"], fact.place(*path, "env", index, "value"))
    return found


def elsewhere(item: Mapping[str, Any], written: Mapping[str, Located]) -> frozenset[str] | None:
    """The variables that are set, and not written out; None where any may be."""
    listed = item.get("env")
    names = {str(one.get("name")) for one in listed if isinstance(one, Mapping)} if isinstance(listed, list) else set()
    return None if item.get("envFrom") else frozenset(names - written.keys())
