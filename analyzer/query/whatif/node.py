"""Captured node state as it would be after a command on the node, as edits of facts, or of the text that was captured. Nothing is run.

What a command does follows the kernel: net/ipv4/fib_trie.c (fib_table_insert: what is refused, and where a route goes among equals), fib_frontend.c
(fib_disable_ip, fib_add_ifaddr: what a link's going down and up does to routes), devinet.c (inet_forward_change, __inet_del_ifa). A command that is not
understood, or that the kernel would refuse, raises ``EditError``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace

from analyzer.query.whatif.addresses import address_of_device
from analyzer.query.whatif.edits import EditError, NodeRun
from analyzer.query.whatif.forgetting import connections, traffic_control
from analyzer.query.whatif.links import link
from analyzer.query.whatif.native import native
from analyzer.query.whatif.neighbours import forwarding, neighbour
from analyzer.query.whatif.next_hops import next_hop
from analyzer.query.whatif.older import modern
from analyzer.query.whatif.ports import port_set
from analyzer.query.whatif.routes import route
from analyzer.query.whatif.rules import routing_rule
from analyzer.query.whatif.sets import ip_set
from analyzer.query.whatif.state import NodeState, Run
from analyzer.query.whatif.switches import sysctl
from analyzer.query.whatif.tables import iptables
from analyzer.source import Scope

UNDERSTOOD = (
    "ip [-6] route add|append|prepend|replace|del|flush …, ip [-6] rule add|del|flush …, ip nexthop add|replace|del|flush …, ip neigh add|replace|del|flush …, ip addr add|del|flush …, "
    "ip link set dev X up|down|mtu N|address MAC|master B|nomaster, ip link del X, bridge fdb add|append|replace|del …, bridge link set dev X hairpin on|off …, "
    "ip[6]tables [-t TABLE] -A|-I|-R|-D|-P|-N|-X|-F …, ipset create|add|del|flush|destroy|swap|rename …, nft add|insert|delete|flush …, "
    "tc filter|qdisc del dev X …, conntrack -F|-D …, arp -s|-d …, route add|del …, sysctl -w KEY=VALUE"
)
UNTOLD = re.compile(r"\s*[12&]?>>?\s*/dev/null|\s*2>&1")
"""Where what a command says goes."""
NEXT = frozenset({";", "&&"})
SHELL = frozenset("();<>|&")
KEPT = "\0"
FAMILIES = {"-4": 4, "-6": 6}


def ran(state: NodeState, edit: NodeRun) -> NodeState:
    """The state as it would be after the command, or after one after the other where ``;``, ``&&`` or a line's end stands between them.
    EditError where one is not understood, or would be refused."""
    run = Run(edit, scope_of(state, edit), ())
    try:
        for words in commands(edit.command) or [[]]:
            state = replace(state, step=state.step + 1)
            state = dispatched(state, replace(run, step=state.step), words)
    except (ValueError, LookupError) as problem:
        raise problem if isinstance(problem, EditError) else run.wrong(str(problem)) from None
    return state


def commands(text: str) -> list[list[str]]:
    """The words of each command. ValueError where the text needs a shell for more than that."""
    plain = UNTOLD.sub("", text).strip().replace("\\;", KEPT).replace("\n", ";")
    lexer = shlex.shlex(plain, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    found: list[list[str]] = [[]]
    for word in lexer:
        if word in NEXT or not word.strip(";"):
            found.append([])
        elif set(word) <= SHELL or "$(" in word or "`" in word:
            raise ValueError(f"{word!r} is for a shell, and nothing is run: give commands with ; or && between them")
        else:
            found[-1].append(word.replace(KEPT, ";"))
    return [words[1:] if words[0] == "sudo" else words for words in found if words]


def dispatched(state: NodeState, run: Run, words: list[str]) -> NodeState:
    """Gives the command to whoever understands it."""
    name, rest = PROGRAMS.get(words[0] if words else "", ""), tuple(words[1:])
    match name:
        case "ip":
            told = FAMILIES.get(rest[0]) if rest else None
            return of_ip(state, replace(run, family=told or 4), list(rest[1:] if told else rest), told)
        case "bridge" if rest[:1] == ("fdb",):
            return forwarding(state, replace(run, words=rest[1:]))
        case "bridge" if rest[:1] == ("link",):
            return port_set(state, replace(run, words=rest[1:]))
        case "iptables" | "ip6tables":
            return iptables(state, replace(run, words=rest, family=6 if name == "ip6tables" else 4), words[0])
        case "arp" | "route":
            return dispatched(state, run, modern(state, run, name, rest))
        case _ if name in WHOLE:
            return WHOLE[name](state, replace(run, words=rest))
        case _:
            raise run.wrong(f"it is not understood: expected {UNDERSTOOD}")


WHOLE: Mapping[str, Callable[[NodeState, Run], NodeState]] = {
    "sysctl": sysctl,
    "ipset": ip_set,
    "nft": native,
    "tc": traffic_control,
    "conntrack": connections,
}
TABLES = ("iptables", "iptables-nft", "iptables-legacy", "ip6tables", "ip6tables-nft", "ip6tables-legacy")
PROGRAMS = {name: name for name in (*WHOLE, "ip", "bridge", "arp", "route")} | {name: name.partition("-")[0] for name in TABLES}


def of_ip(state: NodeState, run: Run, words: list[str], told: int | None) -> NodeState:
    """``ip OBJECT …``; ``told`` is the family that is given."""
    run = replace(run, words=tuple(words[1:]))
    match words[:1]:
        case ["route" | "ro" | "r"]:
            return route(state, run)
        case ["rule" | "ru"]:
            return routing_rule(state, run)
        case ["nexthop" | "nh"]:
            return next_hop(state, run)
        case ["neigh" | "neighbour" | "neighbor" | "n"]:
            return neighbour(state, run)
        case ["addr" | "address" | "a"]:
            return address_of_device(state, run, told)
        case ["link" | "l"]:
            return link(state, run)
        case _:
            raise run.wrong(f"it is not understood: expected {UNDERSTOOD}")


def scope_of(state: NodeState, edit: NodeRun) -> Scope:
    """The namespace that is meant: a node's own, or ``NODE/NAMESPACE``."""
    node, _, namespace = edit.place.partition("/")
    wanted = Scope(node, namespace)
    known = sorted({source.scope for source in state.sources if source.scope is not None})
    if wanted not in known:
        names = ", ".join(map(str, known[:8])) or "none: the input has no node state"
        raise EditError(f"--node-run: there is no captured node state of {edit.place}; captured: {names}")
    return wanted
