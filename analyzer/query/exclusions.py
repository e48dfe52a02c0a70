"""What is left out of masquerading: destinations to which packets of pods keep the pods' own addresses.

Sources: kubernetes-sigs/ip-masq-agent cmd/ip-masq-agent/ip-masq-agent.go (``nonMasqueradeCIDRs``, chain IP-MASQ-AGENT, which returns for each);
Cilium, Masquerading (``ipv4-native-routing-cidr``, chain CILIUM_POST_nat); IANA IPv4 Special-Purpose Address Registry (RFC 6890).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from analyzer.addresses import Prefix, network_mask
from analyzer.addresses import prefix as read_prefix
from analyzer.facts.matches import AddressMatch, Side
from analyzer.facts.netfilter import Masquerade, NfRule, Translate, Verdict
from analyzer.model.network import Network
from analyzer.model.systems.reading import line_of, prefixes
from analyzer.query.plan import node_networks
from analyzer.query.state import roots
from analyzer.query.tables import chains
from analyzer.source import Span

SPECIAL = tuple(
    map(
        read_prefix,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
        ),
    )
)
ITEM = re.compile(r"^[ \t]*-[ \t]*[\"']?([\d.]+/\d+)[\"']?[ \t]*$", re.MULTILINE)
AGENTS = ("ip-masq-agent", "azure-ip-masq-agent-config", "cilium-ip-masq")
NATIVE = ("ipv4-native-routing-cidr", "native-routing-cidr")


class Excluded(NamedTuple):
    """A network to which packets are not masqueraded, and what says so."""

    prefix: Prefix
    at: Span
    said_by: str


def too_wide(network: Network) -> Iterator[Excluded]:
    """The excluded networks of IPv4 that hold public addresses and are no network of the cluster's; all of IPv4 is a decision, and no slip."""
    own = [item.prefix for item in network.cluster.ranges] + [item.prefix for item in node_networks(network)]
    own += [
        Prefix(4, address.value, 32)
        for node in network.cluster.nodes.values()
        for _, address in node.addresses
        if address.family == 4
    ]
    for one in (*of_agents(network), *of_cilium(network), *of_rules(network)):
        if one.prefix.family != 4 or not one.prefix.length or special(one.prefix):
            continue
        if not any(item.covers(one.prefix) or (one.prefix.covers(item) and not special(item)) for item in own):
            yield one


def special(prefix: Prefix) -> bool:
    """Whether a network is of special use, and not public."""
    return any(item.covers(prefix) for item in SPECIAL)


def of_agents(network: Network) -> Iterator[Excluded]:
    """ip-masq-agent's and Cilium's lists."""
    for (_, name), fact in sorted(network.cluster.config_maps.items()):
        for key, located in sorted(fact.data.items()) if name.startswith(AGENTS) else ():
            text = located.value[:65536]
            for found in ITEM.finditer(text[max(text.find("nonMasqueradeCIDRs"), 0) :]):
                for item in prefixes(found[1]):
                    yield Excluded(
                        item, line_of(located, found[1], network.sources), f"nonMasqueradeCIDRs of ConfigMap {name}, {key}"
                    )


def of_cilium(network: Network) -> Iterator[Excluded]:
    """Cilium's network of native routing."""
    for (_, name), fact in sorted(network.cluster.config_maps.items()):
        for key in NATIVE if name == "cilium-config" else ():
            if key in fact.data:
                for item in prefixes(fact.data[key].value):
                    yield Excluded(item, fact.data[key].at, f"{key} of ConfigMap cilium-config")


def of_rules(network: Network) -> Iterator[Excluded]:
    """Rules that masquerade all but one network, and those of the agent's chain that return."""
    for root in roots(network):
        for _, chain in chains(root, "nat", wanted=excluding):
            for rule in chain.rules:
                for item in destinations(rule, agent=chain.name.startswith("IP-MASQ")):
                    yield Excluded(item, rule.at, f"{chain.name} on {root.scope.node}")


def excluding(chain: str) -> bool:
    """Whether rules of a chain of this name leave networks out of masquerading."""
    return chain in ("POSTROUTING", "CILIUM_POST_nat", "FLANNEL-POSTRTG") or chain.startswith("IP-MASQ")


def destinations(rule: NfRule, *, agent: bool) -> Iterator[Prefix]:
    """The networks that a rule excludes by their destination alone."""
    translates = isinstance(rule.target, Masquerade) or (isinstance(rule.target, Translate) and rule.target.side is Side.SOURCE)
    returns = agent and isinstance(rule.target, Verdict) and rule.target.name == "RETURN"
    for one in rule.matches:
        if isinstance(one, AddressMatch) and one.side is Side.DESTINATION and one.family == 4 and (translates or returns):
            length = one.mask.bit_count()
            if one.negated == translates and one.mask == network_mask(4, length):
                yield Prefix(4, one.value & one.mask, length)
