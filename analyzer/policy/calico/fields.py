"""The fields of Calico's objects, one by one, and what Calico refuses of them.

Follows libcalico-go lib/validator/v3/validator.go, api/pkg/lib/numorstring and the validations in api/pkg/apis/projectcalico/v3/policy_common.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import Prefix, address, host_prefix
from analyzer.parsers._view import View
from analyzer.policy.blocks import block, has_host_bits
from analyzer.policy.calico.selectors import GLOBAL, read_selector
from analyzer.policy.ports import NUMBERS, is_port_name
from analyzer.policy.reading import unknown_fields
from analyzer.policy.terms import Peer
from analyzer.policy.tiers import Action, Direction
from analyzer.policy.world import mapping

ACTIONS = {"Allow": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS, "Log": Action.LOG}
RANGE = re.compile(r"(\d{1,9}):(\d{1,9})")


def selector(view: View, key: str) -> Peer | None:
    """The selector in a field; None where there is none. What Calico would not take is noted."""
    text = view.text(key)
    return view.read(text, read_selector, key) if text else None


def families_of(view: View, key: str) -> set[int]:
    """The families of the blocks of a field."""
    return {6 if ":" in text else 4 for text in view.texts(key)}


def protocol_of(view: View, key: str) -> int | None:
    """A protocol by name or number; None where there is none, or none that can be."""
    value = view.value.get(key)
    if value is None:
        return None
    if isinstance(value, str) and value in NUMBERS:
        return NUMBERS[value]
    number = int(value) if isinstance(value, int | str) and re.fullmatch(r"\d{1,3}", str(value)) else 0
    if isinstance(value, bool) or not 1 <= number <= 255:
        view.wrong(f"{key} must be one of {', '.join(NUMBERS)} or a number from 1 to 255, not {value!r}", key)
        return None
    return number


def port(item: object) -> tuple[int, int] | str | None:
    """A port: a range of numbers, or a name; None where it is neither."""
    if isinstance(item, int) and not isinstance(item, bool):
        return (item, item) if 1 <= item <= 65535 else None
    if not isinstance(item, str):
        return None
    match = RANGE.fullmatch(item) or RANGE.fullmatch(f"{item}:{item}")
    if match:
        low, high = int(match[1]), int(match[2])
        return (low, high) if 1 <= low <= high <= 65535 else None
    return item if is_port_name(item) else None


def has_names(view: View) -> bool:
    """Whether ports are given by name."""
    given = view.value.get("ports")
    return isinstance(given, list) and any(isinstance(port(item), str) for item in given)


def action_of(view: View) -> Action:
    """What a rule does."""
    name = view.text("action")
    if name not in ACTIONS:
        view.wrong(f"action must be one of {', '.join(ACTIONS)}, not {name!r}", "action")
    return ACTIONS.get(name, Action.LOG)


def requests(view: View) -> Iterator[str]:
    """What a rule says of HTTP requests, in words; only a proxy that Calico configures looks at them."""
    if view.value.get("http") is None:
        return
    match = view.part("http")
    if methods := match.texts("methods"):
        yield f"the HTTP method is {' or '.join(methods)}"
    paths = [f"{key} {text}" for item in match.parts("paths") for key in ("exact", "prefix") if (text := item.text(key))]
    if paths:
        yield f"the HTTP path is {' or '.join(paths)}"


def check_rule(view: View, direction: Direction) -> None:
    """Notes what Calico refuses of a rule's fields together."""
    protocol, unwanted = (view.value.get(key) for key in ("protocol", "notProtocol"))
    if view.value.get("icmp") is not None and str(protocol) not in ("ICMP", "ICMPv6", "1", "58"):
        view.wrong("icmp needs protocol ICMP or ICMPv6", "icmp")
    for name, version in (("ICMP", 4), ("ICMPv6", 6)):
        if name in (protocol, unwanted) and view.value.get("ipVersion") not in (None, version):
            view.wrong(f"protocol {name} needs ipVersion {version}", "ipVersion")
    if view.value.get("http") is not None:
        check_requests(view, direction)
    with_ports = str(protocol) in ("TCP", "UDP", "SCTP", "6", "17", "132")
    for end in ("source", "destination"):
        for key in ("ports", "notPorts"):
            if not with_ports and mapping(view.value.get(end)).get(key):
                view.wrong("rules with ports must have protocol TCP, UDP or SCTP", end, key)
    elsewhere = "destination" if direction is Direction.INGRESS else "source"
    if mapping(view.value.get(elsewhere)).get("services") is not None:
        view.wrong(f"services cannot be the {elsewhere} in a rule of {direction.value}", elsewhere, "services")


def check_requests(view: View, direction: Direction) -> None:
    """Notes what Calico refuses of a rule on HTTP requests."""
    if view.value.get("action") != "Allow":
        view.wrong("http is for Allow rules only", "http")
    if view.value.get("protocol") not in (None, "TCP", 6):
        view.wrong("http needs protocol TCP, or none", "http")
    if direction is Direction.EGRESS:
        view.wrong("http is not for rules of egress", "http")
    match = view.part("http")
    methods = match.texts("methods")
    for index, method in enumerate(methods):
        if method in methods[:index]:
            match.wrong(f"the method {method} is named twice", "methods", index)
    for item in match.parts("paths"):
        check_path(item)


def check_path(item: View) -> None:
    """Notes what Calico refuses of a path of HTTP requests (validateHTTPPaths)."""
    given = [text for key in ("exact", "prefix") if (text := item.text(key))]
    if len(given) != 1:
        item.wrong("a path needs exactly one of exact and prefix")
    elif not given[0].startswith("/") or any(character in given[0] for character in "? #"):
        item.wrong(f"{given[0]!r} is no path: it must begin with / and have no blank, ? or #")


def check_end(view: View) -> None:
    """Notes what Calico refuses of an end's fields together."""
    if "global(" in str(view.value.get("selector") or ""):
        view.wrong("global() can only stand in the namespaceSelector of a rule", "selector")
    within = str(view.value.get("namespaceSelector") or "")
    if "global(" in within and selector(view, "namespaceSelector") not in (GLOBAL, None):
        view.wrong("global() cannot be combined with other selectors", "namespaceSelector")
    if view.value.get("services") is None:
        return
    match = view.part("services")
    unknown_fields(match, {"name", "namespace"})
    if not match.text("name"):
        match.wrong("services must name a service", "name")
    for key in ("selector", "notSelector", "namespaceSelector", "serviceAccounts", "nets", "notNets"):
        if view.value.get(key):
            view.wrong(f"{key} and services cannot be in one rule", key)
    if view.path[-1] == "destination":
        for key in ("ports", "notPorts"):
            if view.value.get(key):
                view.wrong(f"{key} and services cannot be in one rule", key)


def blocks(view: View, key: str) -> Iterator[Prefix]:
    """The blocks of a field. An address stands for itself (validateIPNetwork: assumed to be fully masked)."""
    for index, text in enumerate(view.texts(key)):
        if (found := own_block(text)) is not None:
            yield found
        elif (found := block(view, text, key, index)) is not None:
            yield found
            if has_host_bits(text):
                view.wrong(f"{text} has bits beyond its length: Calico takes only {found}", key, index)


def own_block(text: str) -> Prefix | None:
    """The block of an address without a length; None where it is none."""
    try:
        return host_prefix(address(text))
    except ValueError:
        return None
