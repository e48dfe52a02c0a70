"""Flows in the rules of Calico's policies: protocols, ICMP messages and ports.

Follows libcalico-go lib/validator/v3/validator.go and felix/rules/policy.go, calc/rule_scanner.go (a port's name has the rule's protocol, or TCP).
"""

from __future__ import annotations

from collections.abc import Iterable

from analyzer.parsers._view import View
from analyzer.policy.calico.fields import port, protocol_of
from analyzer.policy.reading import unknown_fields
from analyzer.policy.terms import ALL_PROTOCOLS, ANY_TRAFFIC, NO_TRAFFIC, All, AnyOf, Box, Not, Opaque, PortName, Traffic
from analyzer.ranges import Ranges, normalised, single

ICMP = (1, 58)


def box(protocol: int, port: int) -> Traffic:
    """The flows of a protocol to a port."""
    return Box(single(protocol), single(port))


def flows(view: View) -> Traffic:
    """What a rule says of flows, apart from ports."""
    number, unwanted = protocol_of(view, "protocol"), protocol_of(view, "notProtocol")
    terms: list[Traffic] = [Box(single(number))] if number is not None else []
    if unwanted is not None:
        terms.append(Not(Box(single(unwanted))))
    if (found := icmp(view, "icmp", number)) is not None:
        terms.append(found)
    if (found := icmp(view, "notICMP", number)) is not None:
        terms.append(Not(found))
    return conjunction(terms)


def icmp(view: View, key: str, protocol: int | None) -> Traffic | None:
    """ICMP messages by type and code; None where the field names none."""
    if view.value.get(key) is None:
        return None
    part = view.part(key)
    unknown_fields(part, {"type", "code"})
    kind, code = part.value.get("type"), part.value.get("code")
    for name, value, most in (("type", kind, 254), ("code", code, 255)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most):
            part.wrong(f"{part.name(name)} must be a number from 0 to {most}, not {value!r}", name)
            return NO_TRAFFIC
    if code is not None and kind is None:
        part.wrong("an ICMP code needs a type", "code")
    if kind is None:
        return None
    if protocol not in ICMP:
        text = f"{key} in a rule whose protocol is not ICMP, which Felix cannot install: name the protocol ICMP or ICMPv6"
        return Opaque(text, view.at(key))
    low, high = (kind * 256 + code,) * 2 if code is not None else (kind * 256, kind * 256 + 255)
    return Box(single(protocol), ((low, high),))


def ports(view: View, key: str, end: str, protocol: int | None) -> Traffic:
    """The flows to, or from, one of the ports of a list: numbers, ranges ``first:last`` and names; all flows where none is given."""
    given = view.typed(key, list, "a list")
    if not given:
        return ANY_TRAFFIC
    numbers: list[tuple[int, int]] = []
    terms: list[Traffic] = []
    for index, item in enumerate(given):
        found = port(item)
        if found is None:
            view.wrong(f'{item!r} is no port: a number from 1 to 65535, a range such as "80:90", or a name', key, index)
        elif isinstance(found, tuple):
            numbers.append(found)
        elif end == "destination":
            terms.append(PortName(found, single(protocol or 6)))
        else:
            terms.append(Opaque(f"whether the source has a port named {found}", view.at(key, index)))
    if numbers:
        terms.insert(0, numbered(normalised(numbers), end))
    return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))


def is_name(item: object) -> bool:
    """Whether a port is given by name."""
    return isinstance(port(item), str)


def numbered_only(view: View) -> Ranges:
    """The ports of a list that are numbers or ranges."""
    given = view.value.get("ports")
    found = (port(item) for item in given if item is not None) if isinstance(given, list) else ()
    return normalised(item for item in found if isinstance(item, tuple))


def numbers_from(found: Ranges) -> Box:
    """Flows from ports."""
    return numbered(found, "source")


def numbered(found: Ranges, end: str) -> Box:
    """Flows by port at an end."""
    return Box(ALL_PROTOCOLS, found) if end == "destination" else Box(ALL_PROTOCOLS, sources=found)


def inverted(traffic: Traffic) -> Traffic:
    """All other flows; all flows where there is no condition."""
    return ANY_TRAFFIC if traffic is ANY_TRAFFIC or traffic == ANY_TRAFFIC else Not(traffic)


def conjunction(terms: Iterable[Traffic]) -> Traffic:
    """All of the tests of a flow."""
    found = tuple(term for term in terms if term is not ANY_TRAFFIC and term != ANY_TRAFFIC)
    if not found:
        return ANY_TRAFFIC
    return found[0] if len(found) == 1 else All(found)
