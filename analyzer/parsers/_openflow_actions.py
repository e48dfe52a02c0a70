"""The actions of a flow, as Open vSwitch prints them and takes them (lib/ofp-actions.c, lib/learn.c, lib/bundle.c, lib/multipath.c).

A list is split at commas and blanks outside parentheses. What is known and not modelled stays in its words (``NotModelled``); what is not known
raises ValueError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from analyzer.facts.openflow import (
    WIDTHS,
    Action,
    CheckLarger,
    Choose,
    ClearActions,
    ClearConntrack,
    Clone,
    Conjunction,
    Conntrack,
    Controller,
    DecrementTtl,
    Exit,
    Goto,
    Group,
    Harmless,
    Load,
    Move,
    Nat,
    NotModelled,
    OneOf,
    Output,
    Pop,
    PopVlan,
    Push,
    PushVlan,
    Resubmit,
    Subfield,
    WriteActions,
)
from analyzer.parsers._openflow_binary import answering
from analyzer.parsers._openflow_fields import PARTS, masked, number, subfield, valued
from analyzer.parsers._openflow_learn import learned
from analyzer.parsers._openflow_nat import translation

DEEP = 16
PORT_WORDS = frozenset({"local", "in_port", "normal", "flood", "all", "table", "any"})
LONGEST = 1 << 16
PORT_NAME = re.compile(r"[A-Za-z_][\w.-]*")
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@lru_cache(maxsize=1 << 15)
def actions_of(text: str, depth: int = 0) -> tuple[Action, ...]:
    """The actions of a text; none for ``drop``."""
    if depth > DEEP:
        raise ValueError(f"actions are nested more than {DEEP} deep")
    if text.strip() in ("drop", ""):
        return ()
    return tuple(action_of(word, depth) for word in words_of(text))


def words_of(text: str) -> list[str]:
    """The actions of a list, each with its parentheses."""
    if "(" not in text and '"' not in text:
        return [word for part in text.split(",") for word in part.split()]
    return list(split(text))


def split(text: str) -> Iterator[str]:
    """Splits at commas and blanks outside parentheses and quotes."""
    start, level, quoted = 0, 0, False
    for place, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif letter in "({":
            level += 1
        elif letter in ")}":
            level -= 1
            if level < 0:
                raise ValueError("a parenthesis is closed that was not opened")
        elif letter in ", \t" and not level:
            if place > start:
                yield text[start:place]
            start = place + 1
    if level or quoted:
        raise ValueError("a parenthesis or quote is not closed")
    if start < len(text):
        yield text[start:]


def action_of(word: str, depth: int) -> Action:
    """One action."""
    return short(word) if "(" not in word else nested(word, depth)


@lru_cache(maxsize=1 << 15)
def short(word: str) -> Action:
    """One action without parentheses."""
    return nested(word, 0)


def nested(word: str, depth: int) -> Action:
    """One action: a port, ``name:rest``, ``name(rest)``, ``name=rest`` or ``name``."""
    if word.startswith('"') or word.isdecimal():
        return Output(port_of(word))
    found = WORD.match(word)
    if found is None:
        raise ValueError(f"{word[:60]} is no action that is known here")
    name, rest = found[0].lower(), word[found.end() :]
    if name in PORT_WORDS and (not rest or rest == "()"):
        return Output(name.upper())
    reader = READERS.get(name)
    if reader is None and PORT_NAME.fullmatch(word):
        return Output(word)
    if reader is None:
        raise ValueError(f"{word[:60]} is no action that is known here")
    return reader(argument(rest), depth)


def argument(rest: str) -> str:
    """What stands after ``:`` or ``=``, or in the parentheses."""
    if rest.startswith("(") and rest.endswith(")"):
        return rest[1:-1]
    return rest[1:] if rest[:1] in ":=" else rest


def port_of(text: str) -> str:
    """A port as it is written, without quotes; names of the standard's ports in capitals."""
    word = text.strip().strip('"')
    return word.upper() if word.lower() in PORT_WORDS or word.lower() in ("none", "controller") else word


def output(text: str, depth: int) -> Action:
    """``output:1``, ``output:NXM_NX_REG1[]``, ``output(port=1,max_len=100)``."""
    del depth
    options = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    word = options.get("port", text)
    if "[" in word:
        return Output(subfield(word))
    if port_of(word) == "CONTROLLER":
        return Controller()
    return Output(port_of(word))


def resubmit(text: str, depth: int) -> Action:
    """``resubmit:2``, ``resubmit(,8)``, ``resubmit(1,2,ct)``."""
    del depth
    port, _, table = text.partition(",")
    if table.endswith(",ct"):
        return NotModelled(f"resubmit({text})")
    found = port_of(port)
    return Resubmit("" if found == "IN_PORT" else found, table.strip().strip('"'))


def load(text: str, depth: int) -> Action:
    """``load:0x1->NXM_NX_REG0[0..7]``."""
    del depth
    value, _, target = text.partition("->")
    return loaded(number(value), subfield(target))


def loaded(value: int, target: Subfield) -> Action:
    """A value for the bits of a field."""
    if value >> target.width:
        raise ValueError(f"{value} does not fit {target.width} bits of {target.field}")
    bits = ((1 << target.width) - 1) << target.low
    if target.field == "vlan_tci" and target.width < 16:
        return Load("vlan_tci", value << target.low | 0x1000, bits | 0x1000)
    return Load(target.field, value << target.low, bits)


def set_field(text: str, depth: int) -> Action:
    """``set_field:0x1/0xff->reg0``, ``set_field:aa:bb:…->eth_src``."""
    del depth
    value, arrow, target = text.rpartition("->")
    if not arrow:
        raise ValueError(f"set_field:{text[:60]} names no field")
    where = subfield(target)
    whole = where.low == 0 and where.width == WIDTHS.get(where.field)
    if not whole or where.field in ("vlan_tci",) or target.strip().lower() in PARTS:
        first, slash, second = value.partition("/")
        found = number(first)
        mask = number(second) if slash else (1 << where.width) - 1
        if where.field == "vlan_tci" and where.width == 12 and not where.low:
            return Load("vlan_tci", (found | 0x1000) & 0x1FFF, mask & 0x1FFF | 0x1000)
        if slash:
            return Load(where.field, (found & mask) << where.low, mask << where.low)
        return loaded(found, where)
    found, mask = masked(where.field, value)
    return Load(where.field, found & mask, mask)


def move(text: str, depth: int) -> Action:
    """``move:NXM_NX_REG0[]->NXM_NX_REG1[]``."""
    del depth
    origin, _, target = text.partition("->")
    first, second = subfield(origin), subfield(target)
    if first.width != second.width:
        raise ValueError(f"move:{text[:60]}: {first.width} bits do not fit {second.width}")
    return Move(first, second)


def field_setter(field: str) -> Callable[[str, int], Action]:
    """``mod_dl_src:…`` and its like."""

    def read(text: str, depth: int) -> Action:
        del depth
        return Load(field, valued(field, text), (1 << WIDTHS[field]) - 1)

    return read


def set_vlan(text: str, depth: int) -> Action:
    """``mod_vlan_vid:5``: adds a header where there is none."""
    del depth
    return Load("vlan_tci", 0x1000 | number(text), 0x1FFF)


def set_priority(text: str, depth: int) -> Action:
    """``mod_vlan_pcp:3``."""
    del depth
    return Load("vlan_tci", 0x1000 | number(text) << 13, 0xF000)


def set_tos(text: str, depth: int) -> Action:
    """``mod_nw_tos:…``: the six bits of the service class."""
    del depth
    return Load("nw_tos", number(text) & 0xFC, 0xFC)


def set_ecn(text: str, depth: int) -> Action:
    """``mod_nw_ecn:…``."""
    del depth
    return Load("nw_tos", number(text) & 3, 3)


def set_metadata(text: str, depth: int) -> Action:
    """``write_metadata:0x1/0xff``."""
    del depth
    value, mask = masked("metadata", text)
    return Load("metadata", value, mask)


def conntrack(text: str, depth: int) -> Action:
    """``ct(commit,zone=NXM_NX_REG13[0..15],nat(dst=…),table=9,exec(…))``."""
    zone: int | Subfield = 0
    table, commit, force = "", False, False
    nat: Nat | None = None
    executed: tuple[Action, ...] = ()
    for word in split(text):
        name = word.partition("=")[0].partition("(")[0]
        rest = word[len(name) :]
        match name:
            case "commit":
                commit = True
            case "force":
                force = True
            case "table":
                table = argument(rest).strip('"')
            case "zone":
                value = argument(rest)
                zone = number(value) if value[:1].isdigit() else subfield(value)
            case "nat":
                nat = translation(argument(rest))
            case "exec":
                executed = actions_of(argument(rest), depth + 1)
            case "alg":
                pass
            case _:
                raise ValueError(f"ct({word[:40]}) is not known here")
    return Conntrack(zone, table, commit, force, nat, executed)


def controller(text: str, depth: int) -> Action:
    """``controller(reason=…,userdata=00.00.00.07)``, ``CONTROLLER:65535``."""
    del depth
    options = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    userdata = options.get("userdata", "")
    return Controller(userdata, answering(userdata))


def check_larger(text: str, depth: int) -> Action:
    """``check_pkt_larger(1500)->reg0[0]``: the target stands outside the parentheses."""
    del depth
    found = re.fullmatch(r"\(?(\d+)\)->(.+)", text)
    if found is None:
        raise ValueError(f"check_pkt_larger{text[:40]} is not understood")
    return CheckLarger(int(found[1]), subfield(found[2]))


def clause(text: str, depth: int) -> Action:
    """``conjunction(5,1/2)``."""
    del depth
    found = re.fullmatch(r"\s*(\w+)\s*,\s*(\d+)\s*/\s*(\d+)\s*", text)
    if found is None:
        raise ValueError(f"conjunction({text[:40]}) is not understood")
    return Conjunction(number(found[1]), int(found[2]), int(found[3]))


def multipath(text: str, depth: int) -> Action:
    """``multipath(symmetric_l4,1024,hrw,4,0,NXM_NX_REG0[0..1])``."""
    del depth
    parts = text.split(",")
    return Choose(int(parts[3]), subfield(parts[5]))


def bundle(text: str, depth: int) -> Action:
    """``bundle(eth_src,50,active_backup,ofport,members:4,8)``; a bundle of which a port is loaded is not modelled."""
    del depth
    members = next((text.partition(word)[2] for word in ("members:", "slaves:") if word in text), None)
    if members is None:
        raise ValueError(f"bundle({text[:40]}) names no members")
    ports = tuple(part for part in members.split(",") if part and "[" not in part)
    return OneOf(ports)


def words(kind: Callable[[str], Action], name: str) -> Callable[[str, int], Action]:
    """An action that is kept in its words."""

    def read(text: str, depth: int) -> Action:
        del depth
        if len(text) > LONGEST:
            raise ValueError(f"{name} is too long")
        return kind(f"{name}({text})" if text else name)

    return read


def constant(action: Action) -> Callable[[str, int], Action]:
    """An action without an argument that matters."""
    return lambda _text, _depth: action


UNMODELLED = (
    *("bundle_load", "delete_field", "push_mpls", "pop_mpls", "set_mpls_label", "set_mpls_tc", "set_mpls_ttl", "dec_mpls_ttl"),
    *("dec_nsh_ttl", "encap", "decap", "debug_recirc"),
)
READERS: Mapping[str, Callable[[str, int], Action]] = {
    "output": output,
    "controller": controller,
    "resubmit": resubmit,
    "goto_table": lambda text, _: Goto(text.strip('"')),
    "load": load,
    "set_field": set_field,
    "move": move,
    "reg_load": set_field,
    "write_metadata": set_metadata,
    "set_tunnel": field_setter("tun_id"),
    "set_tunnel64": field_setter("tun_id"),
    "mod_dl_src": field_setter("eth_src"),
    "mod_dl_dst": field_setter("eth_dst"),
    "mod_nw_src": field_setter("nw_src"),
    "mod_nw_dst": field_setter("nw_dst"),
    "mod_tp_src": field_setter("tp_src"),
    "mod_tp_dst": field_setter("tp_dst"),
    "mod_nw_ttl": field_setter("nw_ttl"),
    "mod_nw_tos": set_tos,
    "mod_nw_ecn": set_ecn,
    "mod_vlan_vid": set_vlan,
    "mod_vlan_pcp": set_priority,
    "set_vlan_vid": set_vlan,
    "set_vlan_pcp": set_priority,
    "push_vlan": lambda text, _: PushVlan(number(text)),
    "strip_vlan": constant(PopVlan()),
    "pop_vlan": constant(PopVlan()),
    "push": lambda text, _: Push(subfield(text)),
    "pop": lambda text, _: Pop(subfield(text)),
    "dec_ttl": constant(DecrementTtl()),
    "ct": conntrack,
    "ct_clear": constant(ClearConntrack()),
    "group": lambda text, _: Group(number(text)),
    "check_pkt_larger": check_larger,
    "clone": lambda text, depth: Clone(actions_of(text, depth + 1)),
    "write_actions": lambda text, depth: WriteActions(actions_of(text, depth + 1)),
    "apply_actions": lambda text, depth: Clone(actions_of(text, depth + 1)),
    "clear_actions": constant(ClearActions()),
    "conjunction": clause,
    "multipath": multipath,
    "bundle": bundle,
    "learn": lambda text, _: learned(text),
    "exit": constant(Exit()),
    "note": words(Harmless, "note"),
    "meter": words(Harmless, "meter"),
    "set_queue": words(Harmless, "set_queue"),
    "pop_queue": constant(Harmless("pop_queue")),
    "sample": words(Harmless, "sample"),
    "fin_timeout": words(Harmless, "fin_timeout"),
    "enqueue": lambda text, _: Output(port_of(re.split(r"[:,]", text)[0])),
    "debug_slow": constant(Harmless("debug_slow")),
    **{name: words(NotModelled, name) for name in UNMODELLED},
}
