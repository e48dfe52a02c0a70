"""Keys, sets and elements of libnftables-json(5) as the typed values of ``analyzer.facts.nftables``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from analyzer.facts.netfilter import Jump, Verdict
from analyzer.facts.nftables import Act, Bitwise, Ct, Element, Fib, Key, Meta, NftSet, Payload, Pick, Raw, Selector, Unread, Value
from analyzer.parsers._nft_types import CT, FIELDS, META, constant, datatype, flags, top

Node = object
OPTIONS = frozenset({"tcp option", "ip option", "sctp chunk", "exthdr"})
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


def said(node: Node) -> str:
    """A node in the words of the text form, as far as a reader needs them."""
    match node:
        case {"unknown": str(text)}:
            return text
        case {"xt": {"type": kind, "name": name}}:
            return f"xt {kind} {name}"
        case {"match": {"op": operator, "left": left, "right": right}}:
            shown = "" if operator in ("in", "==") else f"{operator} "
            return f"{said(left)} {shown}{said(right)}"
        case {"mangle": {"key": left, "value": right}}:
            return f"{said(left)} set {said(right)}"
        case {"payload": {"protocol": protocol, "field": name}}:
            return f"{protocol} {name}"
        case Mapping() if isinstance(option := node.get(kind := str(next(iter(node), ""))), Mapping) and kind in OPTIONS:
            return f"{kind} {option_said(option)}"
        case {"range": [first, last]}:
            return f"{said(first)}-{said(last)}"
        case {"key": name, **rest}:
            return " ".join(map(said, (name, *rest.values())))
        case Mapping():
            return " ".join(f"{name} {said(inner)}".rstrip() for name, inner in node.items())
        case [*parts]:
            return ", ".join(map(said, parts))
        case str() if re.fullmatch("0x[0-9a-f]+", node):
            return str(int(node, 16))
        case bool():
            return "exists" if node else "missing"
        case _:
            return "" if node is None else str(node).strip('"')


def option_said(option: Mapping[object, object]) -> str:
    """An option of a header, as the text form has it: by name, or by number and bits."""
    match option:
        case {"base": base, "offset": 0, "len": 8}:
            return str(base)
        case {"base": base, "offset": offset, "len": length}:
            return f"@{base},{offset},{length}"
        case _:
            return " ".join(map(said, option.values()))


def plain(selector: Selector) -> Payload | Raw | Meta | Ct:
    """An expression without operators."""
    if not isinstance(selector, Payload | Raw | Meta | Ct):
        raise ValueError("an operator on what is no field")
    return selector


def key(node: Node) -> Key:
    """What is looked at, part by part."""
    match node:
        case {"concat": [*parts]}:
            return tuple(selector(part) for part in parts)
        case _:
            return (selector(node),)


def selector(node: Node) -> Selector:
    """One expression; ``Unread`` where it is not modelled."""
    match node:
        case {"payload": {"protocol": str(protocol), "field": str(name)}} if name in FIELDS.get(protocol, {}):
            return Payload(protocol, name)
        case {"payload": {"base": "nh" | "th" | "ll" as base, "offset": int(offset), "len": int(length)}}:
            return Raw(base, offset, length)
        case {"meta": {"key": str(name)}} if name in META:
            return Meta(name)
        case {"ct": {"key": str(name), **rest}}:
            return connection(name, rest, node)
        case {"fib": {"result": str(result), "flags": told}} if result in ("type", "oif", "oifname"):
            return Fib(result, tuple(sorted([told] if isinstance(told, str) else told)))
        case {"numgen": {"mode": str(mode), "mod": int(modulus), **rest}}:
            return Pick(mode, modulus, number(rest.get("offset")))
        case {"jhash": {"mod": int(modulus), **rest}}:
            return Pick("jhash", modulus, number(rest.get("offset")))
        case {"symhash": {"mod": int(modulus), **rest}}:
            return Pick("symhash", modulus, number(rest.get("offset")))
        case {"&": [of, operand]}:
            return bitwise("&", selector(of), operand, node)
        case {"|": [of, operand]}:
            return bitwise("|", selector(of), operand, node)
        case {"^": [of, operand]}:
            return bitwise("^", selector(of), operand, node)
        case _:
            return Unread(said(node))


def number(value: object) -> int:
    """An offset; 0 where there is none."""
    return value if isinstance(value, int) else 0


def connection(name: str, rest: Mapping[object, object], node: Node) -> Selector:
    """A key of conntrack, perhaps of one direction."""
    if rest.get("family") in ("ip", "ip6") and name in ("saddr", "daddr"):
        name = f"{rest['family']} {name}"
    direction = str(rest.get("dir", ""))
    if name not in CT or ((" " in name or name.startswith("proto-")) and not direction):
        return Unread(said(node))
    return Ct(name, direction)


def bitwise(operator: str, of: Selector, operand: Node, node: Node) -> Selector:
    """An operator with a constant, put together with those below it."""
    if isinstance(of, Unread) or not isinstance(of, Payload | Raw | Meta | Ct | Bitwise):
        return Unread(said(node))
    kind = datatype(of)
    full = top(kind)
    value = flags(kind, operand)
    inner, mask, flip = (of.of, of.mask, of.flip) if isinstance(of, Bitwise) else (of, full, 0)
    match operator:
        case "&":
            return Bitwise(inner, mask & value, flip & value)
        case "|":
            return Bitwise(inner, mask & ~value & full, flip & ~value | value)
        case _:
            return Bitwise(inner, mask, flip ^ value)


def looked_up(inner: Node, data: tuple[str, ...]) -> tuple[Key, NftSet | str]:
    """A key and the map it is looked up in."""
    match inner:
        case {"key": looked, "data": str(name)} if name.startswith("@"):
            return known(key(looked)), name[1:]
        case {"key": looked, "data": {"set": [*parts]}}:
            keys = known(key(looked))
            return keys, anonymous(keys, parts, data)
        case _:
            raise ValueError("no map")


def known(keys: Key) -> Key:
    """A key of which every part is modelled."""
    for part in keys:
        datatype(part)
    return keys


def anonymous(keys: Key, parts: Sequence[Node], data: tuple[str, ...] = ()) -> NftSet:
    """The set or map that a rule holds."""
    types = tuple(datatype(part) for part in keys)
    return filled("", types, data, parts)


def filled(name: str, types: tuple[str, ...], data: tuple[str, ...], parts: Sequence[Node]) -> NftSet:
    """A set with its elements."""
    elements: list[Element] = []
    missed: list[str] = []
    for part in parts:
        try:
            elements.append(element(types, data, part))
        except UNREADABLE:
            missed.append(said(part))
    return NftSet(name, types, data, tuple(elements), tuple(missed))


def element(types: tuple[str, ...], data: tuple[str, ...], part: Node) -> Element:
    """One element."""
    match part:
        case [looked, what] if data:
            return Element(key_values(types, looked), datum(data, what))
        case _ if data:
            raise ValueError("a map's element without data")
        case _:
            return Element(key_values(types, part))


def key_values(types: tuple[str, ...], node: Node) -> tuple[Value, ...]:
    """The values of a key, part by part; none for ``*``."""
    match node:
        case {"elem": {"val": inner}}:
            return key_values(types, inner)
        case "*" if not types[0].startswith("if"):
            return ()
        case {"concat": [*parts]}:
            pass
        case _:
            parts = [node]
    if len(parts) != len(types):
        raise ValueError(f"{len(types)} parts are expected")
    return tuple(constant(kind, part) for kind, part in zip(types, parts, strict=True))


def datum(data: tuple[str, ...], node: Node) -> Act | tuple[Value, ...]:
    """What an element of a map gives."""
    return act(node) if data == ("verdict",) else key_values(data, node)


def act(node: Node) -> Act:
    """A verdict."""
    match node:
        case {"jump": {"target": str(chain)}}:
            return Jump(chain)
        case {"goto": {"target": str(chain)}}:
            return Jump(chain, goto=True)
        case {"accept": None}:
            return Verdict("ACCEPT")
        case {"drop": None}:
            return Verdict("DROP")
        case {"return": None}:
            return Verdict("RETURN")
        case {"continue": None}:
            return Verdict("CONTINUE")
        case _:
            raise ValueError("no verdict")
