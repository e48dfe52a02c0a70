"""Tests in words, for people: ``pods with app=web in namespaces with team=shop``."""

from __future__ import annotations

from collections.abc import Iterable

from analyzer.policy.terms import (
    ALL_PORTS,
    ALL_PROTOCOLS,
    All,
    AnyOf,
    Box,
    HasLabel,
    InBlocks,
    Is,
    Kind,
    LabelIn,
    LabelText,
    Named,
    Not,
    Of,
    Opaque,
    Peer,
    PortName,
    Traffic,
)
from analyzer.ranges import Ranges

NAMES = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP"}
WHOSE = {Of.POD: "", Of.NAMESPACE: "namespace label ", Of.ACCOUNT: "service account label ", Of.NODE: "node label "}


def peer_words(peer: Peer) -> str:
    """A test of an entity."""
    return pod_words(flattened((peer,))) or plain_words(peer)


def flattened(terms: Iterable[Peer]) -> list[Peer]:
    """The tests that must all hold, those of conjunctions inside one by one."""
    return [one for term in terms for one in (flattened(term.terms) if isinstance(term, All) else [term])]


def pod_words(tests: Iterable[Peer]) -> str:
    """Tests of the labels and namespaces of pods as one phrase: ``pods of namespace shop with app=web``; empty where others are among them."""
    pods, names, labels, spaces = "", [], [], []
    for test in tests:
        match test:
            case Named(Of.NAMESPACE):
                names.append(plain_words(test))
            case LabelIn(Of.NAMESPACE) | HasLabel(Of.NAMESPACE) | Not(LabelIn(Of.NAMESPACE) | HasLabel(Of.NAMESPACE)):
                spaces.append(plain_words(test).replace(WHOSE[Of.NAMESPACE], "", 1))
            case LabelIn(Of.POD) | HasLabel(Of.POD) | Not(LabelIn(Of.POD) | HasLabel(Of.POD)):
                labels.append(plain_words(test))
            case Is(kinds) if kinds == {Kind.POD}:
                pods = "pods"
            case _:
                return ""
    of = f" of {' and '.join(names)}" if names else ""
    having = f" with {' and '.join(labels)}" if labels else ""
    among = f" in namespaces with {' and '.join(spaces)}" if spaces else ""
    whose = "pods" if pods or names or spaces else "endpoints"
    return f"{whose}{of}{having}{among}" if of or having or among else pods


def plain_words(peer: Peer) -> str:
    """A test of an entity, part by part."""
    match peer:
        case All(()):
            return "everyone"
        case AnyOf(()):
            return "nobody"
        case All(terms):
            return " and ".join(inner(term) for term in terms)
        case AnyOf(terms):
            return " or ".join(inner(term) for term in terms)
        case Not(term):
            return f"not {inner(term)}"
        case Is(kinds):
            return "/".join({Kind.POD: "pods", Kind.HOST: "nodes", Kind.OUTSIDE: "outside"}[kind] for kind in sorted(kinds))
        case Named(of, names):
            return f"{of} {' or '.join(sorted(names))}"
        case InBlocks(blocks):
            return "addresses in " + " or ".join(map(str, blocks))
        case LabelIn(of, key, values):
            text = f"{key}={next(iter(values))}" if len(values) == 1 else f"{key} in ({', '.join(sorted(values))})"
            return WHOSE[of] + text
        case HasLabel(of, key):
            return f"{WHOSE[of]}{key}"
        case LabelText(of, key, part, text):
            return f"{WHOSE[of]}{key} {part} {text!r}"
        case Opaque(text):
            return f"what is not known: {text}"


def inner(peer: Peer) -> str:
    """A test inside another: a phrase about pods, or its parts, in brackets where there are several."""
    if not isinstance(peer, All | AnyOf) or len(peer.terms) < 2:
        return plain_words(peer)
    phrase = pod_words(flattened((peer,)))
    return phrase or f"({plain_words(peer)})"


def traffic_words(traffic: Traffic) -> str:
    """A test of a flow."""
    match traffic:
        case Box(protocols, destinations):
            whole = destinations == ALL_PORTS
            return "all traffic" if whole and protocols == ALL_PROTOCOLS else " ".join(box_words(protocols, destinations))
        case PortName(name):
            return f"port {name!r}"
        case All(terms):
            return " and ".join(traffic_words(term) for term in terms)
        case AnyOf(terms):
            return ", ".join(traffic_words(term) for term in terms) or "no traffic"
        case Not(term):
            return f"not {traffic_words(term)}"
        case Opaque(text):
            return f"what is not known: {text}"


def box_words(protocols: Ranges, destinations: Ranges) -> list[str]:
    """Protocols, and ports where not all are meant."""
    names = [NAMES.get(low, f"protocol {low}") if low == high else f"protocols {low}-{high}" for low, high in protocols]
    ports = (
        []
        if destinations == ALL_PORTS
        else [", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in destinations)]
    )
    return ["/".join(names), *ports]
