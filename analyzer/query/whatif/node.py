"""Captured node state as it would be after a command on the node: ``ip``, ``bridge``, ``sysctl`` and ``iptables`` as edits of facts. Nothing is run.

What a command does follows the kernel: net/ipv4/fib_trie.c (fib_table_insert: what is refused, and where a route goes among equals), fib_frontend.c
(fib_disable_ip, fib_add_ifaddr: what a link's going down and up does to routes), devinet.c (inet_forward_change). A command that is not
understood, or that the kernel would refuse, raises ``EditError``.
"""

from __future__ import annotations

import shlex
from dataclasses import replace

from analyzer.query.whatif.edits import EditError, NodeRun
from analyzer.query.whatif.links import link_set
from analyzer.query.whatif.neighbours import forwarding, neighbour
from analyzer.query.whatif.routes import route, routing_rule
from analyzer.query.whatif.state import NodeState, Run
from analyzer.query.whatif.switches import iptables, sysctl
from analyzer.source import Scope

UNDERSTOOD = (
    "ip [-6] route add|append|replace|del …, ip [-6] rule add|del …, ip neigh add|replace|del …, ip link set dev X up|down|mtu N, "
    "bridge fdb add|append|replace|del …, ip[6]tables [-t TABLE] -A|-I|-D|-P|-F …, sysctl -w KEY=VALUE"
)


def ran(state: NodeState, edit: NodeRun) -> NodeState:
    """The state as it would be after the command. EditError where it is not understood, or would be refused."""
    run = Run(edit, scope_of(state, edit), ())
    try:
        words = shlex.split(edit.command)
    except ValueError as problem:
        raise run.wrong(str(problem)) from None
    words = [word for word in words if word != "sudo"]
    try:
        return dispatched(state, run, words)
    except (ValueError, LookupError) as problem:
        raise problem if isinstance(problem, EditError) else run.wrong(str(problem)) from None


def dispatched(state: NodeState, run: Run, words: list[str]) -> NodeState:
    """Gives the command to whoever understands it."""
    match words:
        case ["ip", "-6", *rest]:
            return of_ip(state, replace(run, family=6), rest)
        case ["ip", "-4", *rest] | ["ip", *rest]:
            return of_ip(state, run, rest)
        case ["bridge", "fdb", *rest]:
            return forwarding(state, replace(run, words=tuple(rest)))
        case ["sysctl", *rest]:
            return sysctl(state, replace(run, words=tuple(rest)))
        case ["iptables" | "ip6tables" as name, *rest]:
            return iptables(state, replace(run, words=tuple(rest), family=6 if name == "ip6tables" else 4))
        case _:
            raise run.wrong(f"it is not understood: expected {UNDERSTOOD}")


def of_ip(state: NodeState, run: Run, words: list[str]) -> NodeState:
    """``ip OBJECT …``."""
    run = replace(run, words=tuple(words[1:]))
    match words[:1]:
        case ["route" | "ro" | "r"]:
            return route(state, run)
        case ["rule" | "ru"]:
            return routing_rule(state, run)
        case ["neigh" | "neighbour" | "neighbor" | "n"]:
            return neighbour(state, run)
        case ["link" | "l"]:
            return link_set(state, run)
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
