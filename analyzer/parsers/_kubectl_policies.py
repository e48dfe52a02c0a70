"""NetworkPolicies as kubectl shows them: whom they select in its tables, and all that they say in ``kubectl describe`` (``describeNetworkPolicySpec``).

Until kubectl could say ``To Port Range``, a range of ports was shown by its first port: what ports without one are is known only beside one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._kubectl_selectors import selector
from analyzer.parsers._kubectl_text import Line
from analyzer.source import Span

VERSION = "networking.k8s.io/v1"
NO_SELECTOR = re.compile(r"<none> \(Allowing the specific traffic to all pods in this namespace\)|<none>")
SECTION = re.compile(r"(?P<word>Allowing|Not affecting) (?P<direction>ingress|egress) traffic:?")
PORT = re.compile(r"(?P<port>\S+)/(?P<protocol>\w+)")
RANGE = re.compile(r"(?P<port>\d+)-(?P<last>\d+)/(?P<protocol>\w+)")
Places = dict[tuple[str | int, ...], Span]
RULES, SELECTOR, LAST_PORTS, METADATA = "rules", "podSelector", "endPort", "metadata"
"""What a text may not say of a policy (``ObjectFact.unsaid``)."""


def network_policy(at: Span, namespace: str, name: str, selected: str) -> OtherObjectFact:
    """A policy of which only the selector is shown; one that cannot be read may select any pod."""
    try:
        return made(at, namespace, name, {"podSelector": selector(selected)}, {}, frozenset({RULES}))
    except ValueError:
        return made(at, namespace, name, {}, {}, frozenset({RULES, SELECTOR}))


def described(at: Span, namespace: str, name: str, lines: Sequence[Line]) -> OtherObjectFact:
    """A policy by the lines below ``Spec:``; where one of them is not understood, nothing is known of its rules."""
    spec, places = {}, Places()
    try:
        selected = next((line for line in lines if line.key == "PodSelector"), None)
        if selected is None:
            raise ValueError("no PodSelector")
        spec["podSelector"] = selector(NO_SELECTOR.sub("<none>", selected.value))
        spec |= sections(lines, places)
    except (ValueError, LookupError):
        unsaid = frozenset({RULES} if "podSelector" in spec else {RULES, SELECTOR})
        return made(at, namespace, name, {key: spec[key] for key in spec if key == "podSelector"}, places, unsaid)
    ranges = any(line.key == "To Port Range" for line in lines)
    return made(at, namespace, name, spec, places, frozenset() if ranges else frozenset({LAST_PORTS}))


def made(at: Span, namespace: str, name: str, spec: dict[str, Any], places: Places, unsaid: frozenset[str]) -> OtherObjectFact:
    """The object."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    document = {"apiVersion": VERSION, "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    return OtherObjectFact(
        at=at,
        api_version=VERSION,
        kind="NetworkPolicy",
        name=name,
        namespace=namespace,
        document=document,
        places={(): at, **places},
        unsaid=unsaid | {METADATA},
    )


def sections(lines: Sequence[Line], places: Places) -> dict[str, Any]:
    """``policyTypes``, and the rules of both directions, which begin at their titles and end at the next."""
    found: dict[str, Any] = {}
    types: list[str] | None = None
    starts = [(index, title) for index, line in enumerate(lines) if (title := SECTION.fullmatch(line.whole))]
    ends = [*(index for index, _ in starts[1:]), len(lines)]
    for (index, title), end in zip(starts, ends, strict=True):
        inside = [line for line in lines[index + 1 : end] if line.key != "Policy Types"]
        if title["word"] == "Allowing":
            found[title["direction"]] = list(rules(inside, title["direction"], places))
    for line in lines:
        if line.key == "Policy Types":
            types = [item.strip() for item in line.value.split(",") if item.strip() not in ("", "<none>")]
    if types is None or not {"Ingress", "Egress"} >= set(types):
        raise ValueError("no types of policy")
    return {"policyTypes": types, **{key: value for key, value in found.items() if key.capitalize() in types}}


def rules(lines: Sequence[Line], direction: str, places: Places) -> Iterator[dict[str, Any]]:
    """The rules of a direction, a line of dashes between them."""
    if len(lines) == 1 and lines[0].whole.startswith("<none> (Selected pods are isolated for"):
        return
    begin, numbers = 0, count()
    for index in [*(index for index, line in enumerate(lines) if set(line.whole) == {"-"}), len(lines)]:
        inside = lines[begin:index]
        if not inside:
            raise ValueError("a rule without lines")
        number = next(numbers)
        places["spec", direction, number] = inside[0].at
        yield rule(inside, "from" if direction == "ingress" else "to")
        begin = index + 1


def rule(lines: Sequence[Line], peers: str) -> dict[str, Any]:
    """A rule: its ports, then its peers."""
    found: dict[str, Any] = {}
    waiting = list(lines)
    while waiting:
        line = waiting.pop(0)
        if line.key in ("To Port", "To Port Range"):
            if not line.value.startswith("<any>"):
                found.setdefault("ports", []).append(port(line))
        elif line.key in ("From", "To"):
            if not line.value:
                inside = list(below(line, waiting))
                del waiting[: len(inside)]
                found.setdefault(peers, []).append(peer(inside))
            elif not line.value.startswith("<any>"):
                raise ValueError(f"{line.whole!r} is no peer")
        else:
            raise ValueError(f"{line.whole!r} is not understood")
    return found


def below(line: Line, rest: Sequence[Line]) -> Iterator[Line]:
    """The lines that are indented further than a line."""
    for other in rest:
        if other.indent <= line.indent:
            return
        yield other


def port(line: Line) -> dict[str, Any]:
    """``6379/TCP``, ``http/TCP``, ``<nil>/UDP`` (all ports), or a range."""
    if line.key == "To Port Range":
        found = RANGE.fullmatch(line.value)
        if found is None:
            raise ValueError(f"{line.value!r} is no range of ports")
        return {"protocol": found["protocol"], "port": int(found["port"]), "endPort": int(found["last"])}
    found = PORT.fullmatch(line.value)
    if found is None:
        raise ValueError(f"{line.value!r} is no port")
    if found["port"] == "<nil>":
        return {"protocol": found["protocol"]}
    number = found["port"]
    return {"protocol": found["protocol"], "port": int(number) if number.isdecimal() else number}


def peer(lines: Sequence[Line]) -> dict[str, Any]:
    """A peer: selectors, or a block with its exceptions."""
    by_key = {line.key: line.value for line in lines}
    if set(by_key) <= {"NamespaceSelector", "PodSelector"} and by_key:
        return {f"{key[0].lower()}{key[1:]}": selector(value) for key, value in by_key.items()}
    if set(by_key) != {"IPBlock", "CIDR", "Except"}:
        raise ValueError("a peer that is not understood")
    holes = [item.strip() for item in by_key["Except"].split(",") if item.strip()]
    return {"ipBlock": {"cidr": by_key["CIDR"], **({"except": holes} if holes else {})}}
