"""The value of a test for one entity, or one flow: true, false, or None where it is not known.

This is the plain reading of the algebra, one entity at a time; ``classes.py`` reads it for all entities at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from analyzer.addresses import Address, Prefix
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.terms import (
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
    Part,
    Peer,
    PortName,
    Traffic,
    all_of,
    any_of,
    not_,
)
from analyzer.ranges import contains


def holds(peer: Peer, entity: Entity, family: int) -> bool | None:
    """Whether the test holds for the entity in flows of the family."""
    match peer:
        case All(terms):
            return all_of(holds(term, entity, family) for term in terms)
        case AnyOf(terms):
            return any_of(holds(term, entity, family) for term in terms)
        case Not(term):
            return not_(holds(term, entity, family))
        case Opaque():
            return None
        case Is(kinds):
            return entity.kind in kinds
        case InBlocks(blocks, pods, hosts):
            counts = {Kind.POD: pods, Kind.HOST: hosts, Kind.OUTSIDE: True}[entity.kind]
            return counts and in_blocks(blocks, entity, family)
        case Named(of, names):
            return name_of(entity, of) in names if known(entity, of) else None
        case LabelIn() | HasLabel() | LabelText():
            if entity.made and peer.of is Of.POD and peer.key in entity.made:
                return of_made(peer, entity.made[peer.key])
            return label_holds(peer, labels_of(entity, peer.of)) if known(entity, peer.of) else None


def of_made(test: LabelIn | HasLabel | LabelText, sure: bool) -> bool | None:
    """A test of a label that a controller will give, ``sure`` or perhaps, with a value that nobody knows."""
    return True if sure and isinstance(test, HasLabel) else None


def known(entity: Entity, of: Of) -> bool:
    """Whether labels and name are known; those of the node that a pod in its node's network will run on may not be."""
    if of is Of.PLACE:
        return entity.kind is Kind.OUTSIDE or entity.node != ""
    return of is not Of.NODE or entity.kind is not Kind.HOST or entity.node_labels is not None


def label_holds(test: LabelIn | HasLabel | LabelText, labels: Mapping[str, str] | None) -> bool:
    """A test of a label; never true of what cannot have labels."""
    value = None if labels is None else labels.get(test.key)
    if value is None:
        return False
    match test:
        case LabelIn(values=values):
            return value in values
        case HasLabel():
            return True
        case LabelText(part=Part.START, text=text):
            return value.startswith(text)
        case LabelText(part=Part.END, text=text):
            return value.endswith(text)
        case LabelText(text=text):
            return text in value


def labels_of(entity: Entity, of: Of) -> Mapping[str, str] | None:
    """The labels that a test is about; None where the entity has none of the kind."""
    match of:
        case Of.POD:
            return entity.labels if entity.kind is Kind.POD else None
        case Of.NAMESPACE:
            return entity.namespace_labels if entity.kind is Kind.POD else None
        case Of.ACCOUNT:
            return entity.account_labels if entity.kind is Kind.POD else None
        case Of.NODE:
            return entity.node_labels if entity.kind is Kind.HOST else None
        case Of.PLACE | Of.SERVICE:
            return None


def name_of(entity: Entity, of: Of) -> str | None:
    """The name that a test is about; None where the entity has none of the kind."""
    if of is Of.PLACE:
        return entity.node or None
    if of is Of.SERVICE:
        return entity.asked or None
    if of is Of.NODE:
        return entity.node if entity.kind is Kind.HOST else None
    if entity.kind is not Kind.POD:
        return None
    return {Of.POD: entity.pod_name, Of.NAMESPACE: entity.namespace, Of.ACCOUNT: entity.account}[of]


def in_blocks(blocks: tuple[Prefix, ...], entity: Entity, family: int) -> bool | None:
    """Whether the entity's address of the family is in one of the blocks; of an address that is not known, only all blocks and none are sure."""
    own: tuple[Address | Prefix, ...] = (*entity.addresses, *entity.blocks)
    within = [block for block in blocks if block.family == family]
    if own or not within:
        return any(block.covers(item) for block in within for item in own)
    return True if any(block.length == 0 for block in within) else None


def matches(traffic: Traffic, flow: Flow, destination: Entity) -> bool | None:
    """Whether the test holds for a flow to the destination."""
    match traffic:
        case All(terms):
            return all_of(matches(term, flow, destination) for term in terms)
        case AnyOf(terms):
            return any_of(matches(term, flow, destination) for term in terms)
        case Not(term):
            return not_(matches(term, flow, destination))
        case Opaque():
            return None
        case Box(protocols, destinations, sources):
            return (
                contains(protocols, flow.protocol) and contains(destinations, flow.port) and contains(sources, flow.source_port)
            )
        case PortName(name, protocols):
            return contains(protocols, flow.protocol) and any(
                port.name == name and port.protocol == flow.protocol and port.port == flow.port for port in destination.ports
            )
