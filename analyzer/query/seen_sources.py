"""Which source the policies of an endpoint see of a packet to a service: the sender's own address, or that of a node which masqueraded it.

kube-proxy has packets masqueraded that come back to their sender (hairpin), that come from outside the pods' network (``--cluster-cidr``) or all (``--masquerade-all``), and those to node ports
and addresses for the world outside with externalTrafficPolicy Cluster (pkg/proxy/iptables/proxier.go ``syncProxyRules``). It does so in POSTROUTING, on the node that translates the service; on
another node policies see that node's address. On the same node those that stand in FORWARD see the packet as it came (``Profile.ingress_sees_masquerade``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from analyzer.addresses import Address, host_prefix
from analyzer.model.network import Network
from analyzer.policy.entities import Entity
from analyzer.policy.terms import Kind
from analyzer.query.admission import Admission
from analyzer.query.flows import origin, spelled
from analyzer.query.once import Whole
from analyzer.ranges import intersection, single, size
from analyzer.solve.sets.regions import State, Value, narrowed, values_of
from analyzer.solve.states import INDEX, SOURCE
from analyzer.source import Scope
from analyzer.transfer.ir import Field

MANY = 256
MASQUERADE = re.compile(
    r"-A KUBE-MARK-MASQ -j MARK --(?:set-xmark|or-mark) (0x[0-9a-f]+)|chain mark-for-masquerade \{\s*(?:meta )?mark set (?:meta )?mark or (0x[0-9a-f]+)"
)
DEFAULT = 1 << 14
"""``--iptables-masquerade-bit``."""
Sources = tuple[int | None, ...]
"""The addresses that policies may see; None: the sender's own."""


def carried(state: State) -> tuple[Value, ...]:
    """The fields of the packet, also of one in a tunnel."""
    return state.frames[0] if state.frames else state.env


def holders_of(admission: Admission, address: int) -> tuple[Entity, ...]:
    """Who has an address, of the family that is asked about; a node's is its pods' too that are in its network."""
    if not admission.holders:
        for entity in admission.policies.world.entities:
            for own in entity.addresses:
                if own.family == admission.factors.universe.family:
                    admission.holders[own.value] = (*admission.holders.get(own.value, ()), entity)
    return admission.holders.get(address, ())


def entities_at(network: Network, admission: Admission, value: int) -> tuple[Entity, ...]:
    """Who policies take a source for: whoever has the address, with this one only; a node by any that it was captured with; else somebody outside."""
    address = Address(admission.factors.universe.family, value)
    if held := holders_of(admission, value):
        return tuple(
            one if one.addresses == (address,) else replace(one, name=f"{one.name} at {address}", addresses=(address,))
            for one in held
        )
    scopes = {at.scope for at in network.owners.get(address, ())}
    if not scopes:
        return (Entity(str(address), Kind.OUTSIDE, blocks=(host_prefix(address),)),)
    return tuple(at_node(admission, scope.node, address) for scope in sorted(scopes) if not scope.namespace)


def at_node(admission: Admission, node: str, address: Address) -> Entity:
    """A node, as the one who has an address that its object does not state, such as that of a tunnel."""
    name = f"node:{node} at {address}"
    known = admission.policies.world.by_name.get(f"node:{node}")
    if known is None:
        return Entity(name, Kind.HOST, node=node, node_labels=None, addresses=(address,))
    return replace(known, name=name, addresses=(address,))


def seen(
    network: Network,
    admission: Admission,
    state: State,
    receivers: Sequence[Entity],
    end: tuple[int, int],
    arrived: bool = False,
) -> Iterator[tuple[State, Sources]]:
    """The parts of a set at one endpoint or on its way there, and the sources that the endpoint's policies may see of each; what has ``arrived`` no node masquerades any more."""
    masked, now = admission.policies.profile.ingress_sees_masquerade, carried(state)[SOURCE]
    came = [value for one in receivers if one.node and (value := as_it_came(state, one.node, end)) is not None]
    before = came[0] if came else now
    values = (before,) if not came or masked is False else (now,) if masked and now != before else (before, now)
    settled = masked is False if came else False
    later: tuple[int, ...] = ()
    if not arrived and not settled and now == before and marked(network, state):
        later = own_addresses(network, on_the_way(state), admission.factors.universe.family)
    for part, found in apart(state, tuple(dict.fromkeys(values))):
        yield part, (*found, *later)


def as_it_came(state: State, node: str, end: tuple[int, int]) -> Value | None:
    """The source with which a packet to an endpoint came to its node, by the connection that it has there; None where it has none."""
    for own in state.connections:
        here = own.scope == Scope(node) and intersection(values_of(state, own.reply.source), single(end[0]))
        if here and intersection(values_of(state, own.reply.source_port), single(end[1])):
            return own.original.source
    return None


def apart(state: State, sources: Sequence[Value]) -> Iterator[tuple[State, Sources]]:
    """The parts of a set by each of the sources; those that are too many to tell apart are left as what is not known."""
    if not sources:
        yield state, ()
        return
    own = origin(state, Field.SOURCE)
    first, *rest = sources
    if first == own:
        parts: list[tuple[State, Sources]] = [(state, (None,))]
    elif isinstance(first, int):
        parts = [(state, (first,))]
    elif size(values_of(state, first)) > MANY:
        parts = [(state, (None, -1))]
    else:
        values = spelled(values_of(state, first))
        parts = [(part, (value,)) for value in values if (part := narrowed(state, first, single(value))) is not None]
    for part, found in parts:
        for smaller, others in apart(part, rest):
            yield smaller, (*found, *others)


def marked(network: Network, state: State) -> bool:
    """Whether some packet of the set has the mark by which kube-proxy masquerades it later."""
    bit, marks = masquerade_bit(Whole(network)), values_of(state, carried(state)[INDEX[Field.MARK]])
    return size(marks) > MANY or any(value & bit for value in spelled(marks))


@lru_cache(maxsize=4)
def masquerade_bit(whole: Whole) -> int:
    """The marks of kube-proxy's rules for what is to be masqueraded."""
    texts = (source.text for source in whole.network.sources.values() if source.kind in ("iptables-save", "nft"))
    found = {int(match[1] or match[2], 16) for text in texts for match in MASQUERADE.finditer(text)}
    bits = 0
    for one in found or {DEFAULT}:
        bits |= one
    return bits


def on_the_way(state: State) -> frozenset[str]:
    """The nodes that know a connection of the packets."""
    return frozenset(own.scope.node for own in state.connections if not own.scope.namespace)


def own_addresses(network: Network, nodes: frozenset[str], family: int) -> tuple[int, ...]:
    """The addresses that nodes may masquerade with; no nodes: all of them."""
    found = ((address, at.scope) for address, held in network.owners.items() if address.family == family for at in held)
    return tuple(
        sorted({address.value for address, scope in found if not scope.namespace and (not nodes or scope.node in nodes)})
    )


def later_sources(network: Network, admission: Admission, sender: Entity | None, receiver: Entity) -> tuple[int, ...]:
    """The addresses that the receiver's policies may see in the sender's place where nothing is translated yet: of its node, or of any where it is outside."""
    family = admission.factors.universe.family
    found = own_addresses(network, frozenset({sender.node} if sender is not None and sender.node else ()), family)
    if admission.policies.profile.ingress_sees_masquerade is not False or not receiver.node:
        return found
    local = own_addresses(network, frozenset({receiver.node}), family)
    return tuple(value for value in found if value not in local)
