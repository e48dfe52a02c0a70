"""Tests in words, for people: ``pods with app=web in namespaces with team=shop``."""

from __future__ import annotations

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
    """A test inside another."""
    compound = isinstance(peer, All | AnyOf) and len(peer.terms) > 1
    return f"({peer_words(peer)})" if compound else peer_words(peer)


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
