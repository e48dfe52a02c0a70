"""NetworkPolicies as Felix's nftables dataplane enforces them: the chains of its iptables dataplane in one table ``calico``, with named sets, and verdict maps that send to workloads.

After felix/nftables/{table,actions,match_builder,maps}.go and felix/rules/dispatch.go of v3.29: chains are named for the table that they had (``filter-cali-…``), matches of ports are
``th dport`` behind their protocol, a set of a named port has addresses, protocols and ports.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.lab.felix import STATIC, Sets, compiled
from tests.lab.plan import Node

if TYPE_CHECKING:
    from tests.lab.build import Lab

HOOKS = {
    ("raw", "PREROUTING"): "type filter hook prerouting priority raw; policy accept;",
    ("filter", "INPUT"): "type filter hook input priority filter; policy accept;",
    ("filter", "FORWARD"): "type filter hook forward priority filter; policy accept;",
    ("filter", "OUTPUT"): "type filter hook output priority filter; policy accept;",
}
DISPATCH = re.compile(r"-[io] (cali\w+) -g (\S+)")
TABLE = "calico"


def install(lab: Lab, node: Node) -> None:
    """Writes the table."""
    sets, chains = compiled(lab, node)
    lab.run(node.name, "nft -f -", "\n".join(table(sets, chains)) + "\n")


def table(sets: Sets, chains: dict[str, list[str]]) -> Iterator[str]:
    """The lines of the table."""
    yield f"table ip {TABLE} {{"
    for name, (kind, members) in sorted(sets.items()):
        yield from set_lines(renamed(name), kind, sorted(set(members)))
    every = {("filter", name): lines for name, lines in chains.items()}
    for place, lines in static().items():
        every[place] = [*lines, *every.get(place, [])]
    for way in ("from", "to"):
        yield from map_lines(f"filter-cali-{way}-wl-dispatch", every["filter", f"cali-{way}-wl-dispatch"])
    for (where, name), lines in sorted(every.items()):
        yield f" chain {where}-{name} {{"
        yield from (f"  {HOOKS[where, name]}" for _ in range((where, name) in HOOKS))
        if name.endswith("-wl-dispatch"):
            side = "iifname" if "from" in name else "oifname"
            yield f"  {side} vmap @filter-{name}"
            lines = [line for line in lines if not DISPATCH.match(line)]
        yield from (f"  {rule(where, line)}" for line in lines)
        yield " }"
    yield "}"


def static() -> dict[tuple[str, str], list[str]]:
    """The rules that are always there, by table and chain."""
    found: dict[tuple[str, str], list[str]] = {}
    where = ""
    for line in STATIC.splitlines():
        if line.startswith("*"):
            where = line[1:]
        elif line.startswith(":"):
            found.setdefault((where, line[1:].split()[0]), [])
        elif line.startswith("-A "):
            _, name, text = line.split(" ", 2)
            found.setdefault((where, name), []).append(text)
    return found


def renamed(name: str) -> str:
    """The name of a set, without the sign that nft does not take."""
    return name.replace(":", "-")


def set_lines(name: str, kind: str, members: list[str]) -> Iterator[str]:
    """A set: addresses and networks, or addresses with protocols and ports."""
    yield f" set {name} {{"
    if kind == "hash:ip,port":
        yield "  type ipv4_addr . inet_proto . inet_service"
        elements = [" . ".join((address, *port.split(":"))) for address, port in (member.split(",") for member in members)]
    else:
        yield "  type ipv4_addr; flags interval; auto-merge"
        elements = members
    yield from (f"  elements = {{ {', '.join(elements)} }}" for _ in range(bool(elements)))
    yield " }"


def map_lines(name: str, lines: list[str]) -> Iterator[str]:
    """The map that sends a workload's packets to its chain."""
    found = [match for line in lines if (match := DISPATCH.match(line))]
    yield f" map {name} {{"
    yield "  type ifname : verdict"
    yield from (
        f"  elements = {{ {', '.join(f'{one[1]} : goto filter-{one[2]}' for one in found)} }}" for _ in range(bool(found))
    )
    yield " }"


def rule(where: str, text: str) -> str:
    """A rule of iptables as one of nft."""
    words = shlex.split(text)
    parts: list[str] = []
    comment = ""
    negated = ""
    while words:
        word = words.pop(0)
        match word:
            case "!":
                negated = "!= "
                continue
            case "-m":
                words.pop(0)
            case "--comment":
                comment = f' comment "{words.pop(0)}"'
            case "-j" | "-g":
                parts.append(verdict(where, word, words))
            case _:
                parts.append(matched(word, words, negated))
        negated = ""
    return " ".join(filter(None, parts)) + comment


def matched(option: str, words: list[str], negated: str) -> str:
    """One match."""
    match option:
        case "-i" | "-o":
            return f'{"iifname" if option == "-i" else "oifname"} {negated}"{words.pop(0).replace("+", "*")}"'
        case "-p":
            return f"meta l4proto {negated}{words.pop(0).replace('ipencap', '4')}"
        case "-s" | "-d":
            return f"ip {'saddr' if option == '-s' else 'daddr'} {negated}{words.pop(0)}"
        case "--dports":
            return f"th dport {negated}{{ {words.pop(0).replace(':', '-').replace(',', ', ')} }}"
        case "--ctstate":
            state = words.pop(0)
            return (
                f"ct status {negated}dnat"
                if state == "DNAT" and not negated
                else "ct status & dnat == 0"
                if state == "DNAT"
                else f"ct state {state.lower()}"
            )
        case "--mark":
            value, _, mask = words.pop(0).partition("/")
            return f"meta mark & {mask} == {value}"
        case "--match-set":
            name, side = renamed(words.pop(0)), words.pop(0)
            keys = {"src": "ip saddr", "dst": "ip daddr", "dst,dst": "ip daddr . meta l4proto . th dport"}
            return f"{keys[side]} {negated}@{name}"
        case "--dst-type":
            return f"fib daddr type {words.pop(0).lower()}"
        case "--validmark":
            return "fib saddr . mark . iif oif missing"
        case "--invert":
            return ""
        case _:
            raise ValueError(option)


def verdict(where: str, option: str, words: list[str]) -> str:
    """What a rule does."""
    target = words.pop(0)
    if target == "MARK":
        words.pop(0)
        value, _, mask = words.pop(0).partition("/")
        rest = 0xFFFFFFFF & ~int(mask, 16)
        return f"meta mark set meta mark & {rest:#x}" + (f" | {value}" if int(value, 16) else "")
    if target in ("ACCEPT", "DROP", "RETURN"):
        return target.lower()
    return f"{'goto' if option == '-g' else 'jump'} {where}-{target}"
