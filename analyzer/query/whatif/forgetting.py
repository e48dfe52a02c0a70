"""``conntrack -F|-D`` and ``tc filter|qdisc del``: what is forgotten, or no longer done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from analyzer.addresses import Address, address, prefix
from analyzer.facts.system import ConnectionFact, FilterFact, QdiscFact
from analyzer.query.whatif.state import NodeState, Run, value

NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "sctp": 132}
FAMILIES = {"ipv4": 4, "ipv6": 6}


def inside(found: Address, text: str) -> bool:
    """Whether an address is the one, or in the network, that is given."""
    return prefix(text).covers(found) if "/" in text else found == address(text)


KEYS: Mapping[str, Callable[[ConnectionFact, str], bool]] = {
    "-p": lambda fact, text: fact.protocol == (NUMBERS[text] if text in NUMBERS else int(text)),
    "-s": lambda fact, text: inside(fact.original[0], text),
    "-d": lambda fact, text: inside(fact.original[1], text),
    "-r": lambda fact, text: inside(fact.reply[0], text),
    "-q": lambda fact, text: inside(fact.reply[1], text),
    "--sport": lambda fact, text: fact.original[2] == int(text),
    "--dport": lambda fact, text: fact.original[3] == int(text),
    "--reply-port-src": lambda fact, text: fact.reply[2] == int(text),
    "--reply-port-dst": lambda fact, text: fact.reply[3] == int(text),
    "-f": lambda fact, text: fact.original[0].family == FAMILIES[text],
    "-m": lambda fact, text: fact.mark == int(text, 0),
}
LONG = {
    "--proto": "-p",
    "--protonum": "-p",
    "--family": "-f",
    "--mark": "-m",
    "--orig-src": "-s",
    "--src": "-s",
    "--orig-dst": "-d",
    "--dst": "-d",
    "--reply-src": "-r",
    "--reply-dst": "-q",
    "--orig-port-src": "--sport",
    "--orig-port-dst": "--dport",
}
HOOKS = ("ingress", "egress", "root", "clsact")


def connections(state: NodeState, run: Run) -> NodeState:
    """``conntrack -F``, and ``conntrack -D`` of those that have all of what is said of them (conntrack(8))."""
    words = [LONG.get(word, word) for word in run.words]
    if words[:1] in (["-F"], ["--flush"]) and words[1:] in ([], ["conntrack"]):
        return state.without(list(state.of(ConnectionFact, run.scope)))
    if words[:1] not in (["-D"], ["--delete"]) or len(words) % 2 == 0 or not set(words[1::2]) <= KEYS.keys():
        raise run.wrong(f"expected conntrack -F, or -D and {', '.join(KEYS)} with their values")
    asked = list(zip(words[1::2], words[2::2], strict=True))
    gone = [fact for fact in state.of(ConnectionFact, run.scope) if all(KEYS[key](fact, text) for key, text in asked)]
    if not gone:
        raise run.wrong("no connection that was captured is so (0 flow entries have been deleted)")
    return state.without(gone)


def traffic_control(state: NodeState, run: Run) -> NodeState:
    """``tc filter del dev X [HOOK|parent HANDLE] [pref N]`` and ``tc qdisc del dev X HOOK``, which takes the filters with it (tc(8))."""
    match run.words:
        case ["filter" | "qdisc" as kind, "del" | "delete", "dev", device, *rest]:
            hook = hook_of(rest)
            filters = [fact for fact in state.of(FilterFact, run.scope) if fact.device == device]
            kept = filters if hook in ("", "clsact") else [fact for fact in filters if fact.hook == hook]
            preference = value(rest, "pref", "prio")
            gone = [fact for fact in kept if preference is None or str(fact.preference) == preference]
            disciplines = [fact for fact in state.of(QdiscFact, run.scope) if fact.device == device and meant(fact, hook)]
            if not gone and not (kind == "qdisc" and disciplines):
                raise run.wrong(f"{device} has no such {kind} in the capture of {run.scope} (Invalid argument, or No such file)")
            return state.without([*gone, *(disciplines if kind == "qdisc" else [])])
        case _:
            raise run.wrong(
                "expected tc filter del dev DEVICE ingress|egress [pref N], or tc qdisc del dev DEVICE clsact|ingress|root"
            )


def hook_of(words: Sequence[str]) -> str:
    """Where filters hang: by name, or by the handle that ingress has."""
    parent = value(words, "parent")
    if parent is not None:
        return (
            "ingress"
            if parent.startswith("ffff:") and not parent.endswith("fff3")
            else "egress"
            if parent.endswith("fff3")
            else "root"
        )
    return next((word for word in words if word in HOOKS), "")


def meant(fact: QdiscFact, hook: str) -> bool:
    """Whether a discipline is the one that a hook names."""
    return fact.kind in ("clsact", "ingress") if hook in ("clsact", "ingress") else fact.kind not in ("clsact", "ingress")
