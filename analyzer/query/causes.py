"""Causes: the few lines of state that explain many broken pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from analyzer.findings import Cause, Counterexample, Fix, Label
from analyzer.model.network import Network
from analyzer.query.failures import ADMITTED
from analyzer.query.pair_sets import PairSet, pair_set
from analyzer.source import Span

REMEDIES: tuple[tuple[str, str], ...] = (
    (
        "another host's",
        "give the interface the MAC that the frame carries (ip link set DEVICE address MAC), or correct the entry that names it",
    ),
    (
        "no forwarding entry",
        "add the entry (bridge fdb replace MAC dev DEVICE dst PEER self permanent), or restart the CNI's agent",
    ),
    ("does not forward:", "switch forwarding on (sysctl -w the named key=1, and in /etc/sysctl.d)"),
    ("rp_filter", "set rp_filter of the interface, and of all, to 0 or 2"),
    ("may not come in", "route the source back by the interface that it comes in on, or set rp_filter to 0 or 2"),
    ("policy of", "accept the traffic before the end of the chain, or set the chain's policy to ACCEPT"),
    ("policy DROP", "accept the traffic before the end of the chain, or set the chain's policy to ACCEPT"),
    ("no route", "add the route to the destination's network by the node that has it (ip route replace NETWORK via NODE)"),
    ("blackhole", "delete the blackhole route, or add the more specific route"),
    ("unreachable route", "delete the unreachable route, or add the right route"),
    (
        "rejected by",
        "accept the traffic before this rule, or delete it (firewalld: trust the pod network, firewall-cmd --permanent --zone=trusted --add-source=NETWORK)",
    ),
    ("is not tracked", "leave the services' addresses out of the rule: translation needs the connection tracked"),
    (
        "no endpoint of the service",
        "restart kube-proxy on the node, and find in its log why its rules are not brought up to date",
    ),
    ("does not translate", "restart kube-proxy on the node, and find in its log why its rules are not brought up to date"),
    ("leads to the chain", "restart kube-proxy on the node, and find what removed the jump"),
    ("prohibit", "delete the prohibiting route or rule"),
    ("MAC", "make the entry carry the MAC address that the interface really has (ip neigh replace, bridge fdb replace)"),
    (
        "nobody answers for",
        "correct the address or the route; add the neighbour entry where the network does not resolve by itself",
    ),
    ("has VNI", "give both ends of the tunnel the same VNI (and UDP port)"),
    ("is down", "set the interface up (ip link set DEVICE up)"),
    ("has no carrier", "set the interface's other end up"),
    ("has no far end", "attach the interface again: recreate the pod"),
    ("VLAN", "give the port the VLAN (bridge vlan add vid ID dev PORT)"),
    ("hairpin", "switch on hairpin mode for the port (bridge link set dev PORT hairpin on)"),
    ("MASQUERADE", "leave pods' addresses out of the translation (! -d POD-NETWORK, or RETURN before it)"),
    ("and gets the packet", "take the address off the one that is not to have it (ip addr del ADDRESS dev DEVICE)"),
    ("dropped by", "delete the rule, or accept this traffic before it"),
    ("sees", "leave pods' addresses out of the translation (! -d POD-NETWORK, or RETURN before it)"),
)
POLICY, DECIDES = "policy", ("netfilter", "cilium", "ovs")
"""The stages of a packet's way that name policies, and those at which these are enforced."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A pair that fails a guarantee: from whom to whom, why, where that is decided, and a packet that shows it."""

    guarantee: str
    source: str
    target: str
    reason: str
    at: Span | None = None
    counterexample: Counterexample | None = None


@dataclass(frozen=True, slots=True)
class Breach:
    """Pairs that fail a guarantee for one reason."""

    guarantee: str
    pairs: PairSet
    reason: str
    at: Span | None = None
    counterexample: Counterexample | None = None

    def each(self) -> Iterator[Broken]:
        """The pairs, one by one."""
        for source, target in self.pairs:
            yield Broken(self.guarantee, source, target, self.reason, self.at, self.counterexample)


def breach_of(one: Broken) -> Breach:
    """One pair that fails."""
    return Breach(one.guarantee, pair_set([(one.source, one.target)]), one.reason, one.at, one.counterexample)


def causes(network: Network, broken: Iterable[Breach]) -> tuple[Cause, ...]:
    """The places that decide broken pairs, those that explain the most pairs first. A pair is explained once, by each place that breaks it."""
    groups: dict[Span, list[Breach]] = {}
    for item in broken:
        if item.at is not None and item.at.path in network.sources:
            groups.setdefault(item.at, []).append(item)
    found = [cause_of(at, group) for at, group in groups.items()]
    return tuple(sorted(found, key=lambda cause: (-cause.pairs, cause.at, cause.message)))


def cause_of(at: Span, group: Sequence[Breach]) -> Cause:
    """One place and all that it breaks, told by the shortest reason."""
    pairs = reduce(or_, (item.pairs for item in group))
    shown = min(
        (item for item in group if item.counterexample is not None),
        key=lambda item: (len(item.reason), item.reason),
        default=None,
    )
    first = shown or min(group, key=lambda item: (len(item.reason), item.reason))
    return Cause(
        at=at,
        message=first.reason,
        pairs=len(pairs),
        guarantees=tuple(sorted({item.guarantee for item in group})),
        related=related(at, first),
        counterexample=first.counterexample,
        fix=remedy(first.reason),
    )


def related(at: Span, item: Breach) -> tuple[Label, ...]:
    """The last other places on the packet's way, which the deciding one is to be compared with, and the policies that say otherwise; of a packet
    that no policy admits, the rules that let it pass."""
    hops = item.counterexample.hops if item.counterexample is not None else ()
    others = [hop for hop in hops if hop.at is not None and hop.at != at]
    if item.reason.startswith(ADMITTED):
        others = [hop for hop in others if hop.stage in DECIDES and not hop.reply]
    elif not hops or hops[-1].stage != "drop":
        return ()
    found = {hop.at: Label(hop.at, hop.what) for hop in others if hop.at is not None}
    policies = {hop.at: found[hop.at] for hop in others if hop.stage == POLICY and hop.at is not None}
    return (*policies.values(), *[label for place, label in found.items() if place not in policies][-2:])


def remedy(reason: str) -> Fix | None:
    """What would mend it, where the kind of reason has a remedy."""
    text = next((text for word, text in REMEDIES if word in reason), None)
    return Fix(text) if text is not None else None
