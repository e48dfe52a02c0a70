"""Which transparent sockets a namespace has (``IP_TRANSPARENT``), as far as that follows from what listens and from the rules.

No listing that is read says which sockets are transparent. One that is bound to an address that the namespace does not hold is, or was bound freely
(net/ipv4/af_inet.c ``inet_can_nonlocal_bind``); one at the namespace's own addresses is taken for an ordinary one, as sockets are unless their program
asks for more. A connection that TPROXY gave to a socket has a transparent one from then on.
"""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.facts.system import ListenerFact
from analyzer.model.network import Namespace

OWN = "no socket of {} that listens on its own addresses is transparent"
NOT_CAPTURED = "no transparent socket of {} takes packets for others (its sockets were not captured)"
PROXIED = "the socket of {} that TPROXY gives packets to on port {} is transparent"
STATEFUL = ("state", "--syn", "--tcp-flags", "statistic", "recent", "connmark", "CONNMARK")


def maybe_transparent(space: Namespace, wildcard: bool) -> tuple[ListenerFact, ...]:
    """The listeners that may be: those that are bound to an address that the namespace does not hold, and, with ``wildcard``, to none."""
    own = {fact.address for fact in space.addresses}

    def counts(fact: ListenerFact) -> bool:
        if fact.address is None or not fact.address.value:
            return wildcard
        return fact.address not in own and not loopback(fact.address)

    return tuple(filter(counts, space.listeners or ()))


def loopback(address: Address) -> bool:
    """Whether it is of 127.0.0.0/8, or ::1."""
    return address.value >> 24 == 127 if address.family == 4 else address.value == 1


def taken_for_granted(space: Namespace) -> str:
    """What an answer about transparent sockets rests on."""
    return (OWN if {6, 17} <= space.listed else NOT_CAPTURED).format(space.scope)


def taken_by_proxy(space: Namespace, port: int) -> str:
    """What an answer rests on where TPROXY gives packets to a listener: it drops them where that is not transparent (net/netfilter/xt_TPROXY.c
    ``tproxy_tg4``, ``nf_sk_is_transparent`` of include/net/netfilter/nf_tproxy.h), which ss does not tell."""
    return PROXIED.format(space.scope, port)


def told_by_state(space: Namespace) -> bool:
    """Whether rules may give the first packets of a connection to a transparent socket and not the later ones: where TPROXY does not look at the
    state, it takes those too, and it does not matter which rule did."""
    if any("tproxy" in rule.text for table in space.nft_tables for chain in table.chains.values() for rule in chain.rules):
        return True
    for ruleset in space.rulesets:
        texts = [chain.rules.whole() for chain in ruleset.tables.get("mangle", {}).values()]
        if any(" TPROXY " in text for text in texts) and any(word in text for text in texts for word in STATEFUL):
            return True
    return False


def proxies(space: Namespace) -> bool:
    """Whether a rule gives packets to a transparent socket."""
    if any("tproxy" in rule.text for table in space.nft_tables for chain in table.chains.values() for rule in chain.rules):
        return True
    chains = (chain for ruleset in space.rulesets for chain in ruleset.tables.get("mangle", {}).values())
    return any(" TPROXY " in chain.rules.whole() for chain in chains)
