"""``iptables-xml`` turned back into what ``iptables-save`` printed (iptables/xshared.c and iptables-xml.c of iptables).

A rule's matches stand in ``<conditions>``, each in an element of its module (``match`` for the rule's own options), its target in ``<actions>``: ``<call>`` and ``<goto>`` lead to a chain,
any other element is a target. An option with ``invert="1"`` has a ``!`` before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element


def saved(text: str) -> str:
    """The ruleset as ``iptables-save`` prints it; nothing for nothing. ValueError where the text is no such XML, or declares anything: entities can grow without end."""
    if not text.strip():
        return ""
    if "<!" in text:
        raise ValueError("iptables-xml declares nothing, this text does")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as problem:
        raise ValueError(f"the XML of iptables is broken: {problem}") from None
    return "".join(f"{line}\n" for table in root.iter("table") for line in table_lines(table))


def table_lines(table: Element) -> Iterator[str]:
    """One table: its chains, then their rules."""
    yield f"*{table.get('name', '')}"
    for chain in table.iter("chain"):
        yield f":{chain.get('name', '')} {chain.get('policy') or '-'} [0:0]"
    for chain in table.iter("chain"):
        for rule in chain.iter("rule"):
            yield " ".join((f"-A {chain.get('name', '')}", *conditions(rule), *actions(rule)))
    yield "COMMIT"


def conditions(rule: Element) -> Iterator[str]:
    """The matches of a rule."""
    for group in rule.findall("conditions"):
        for match in group:
            if match.tag != "match":
                yield f"-m {match.tag}"
            yield from options(match)


def options(element: Element) -> Iterator[str]:
    """The options below an element; those of a letter have one dash."""
    for option in element:
        text = (option.text or "").strip()
        mark = "! " if option.get("invert") == "1" else ""
        yield f"{mark}-{'' if len(option.tag) == 1 else '-'}{option.tag}{f' {text}' if text else ''}"


def actions(rule: Element) -> Iterator[str]:
    """The target of a rule."""
    for group in rule.findall("actions"):
        for action in group:
            if action.tag in ("call", "goto"):
                yield from (f"-{'j' if action.tag == 'call' else 'g'} {chain.tag}" for chain in action)
            else:
                yield f"-j {action.tag}"
                yield from options(action)
