"""How kube-proxy tells packets of pods from others: it masquerades what others send to a service's cluster address.

Source: kubernetes pkg/proxy/iptables/proxier.go (writeServiceToEndpointRules: ``! -s CLUSTER-CIDR``, ``! -i BRIDGE`` to KUBE-MARK-MASQ, nothing
where no local detector is implemented), cmd/kube-proxy/app/server_linux.go (getLocalDetector: mode ClusterCIDR without a CIDR is none).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from analyzer.facts.matches import AddressMatch, InterfaceMatch, Side
from analyzer.facts.netfilter import Jump, NfRule
from analyzer.model.network import Namespace, Network
from analyzer.model.systems.reading import line_of
from analyzer.query.tables import Chain, chains
from analyzer.source import Span

MARK = "KUBE-MARK-MASQ"
EMPTY = re.compile(r"^clusterCIDR:[ \t]*(?:\"\"|'')?[ \t]*$", re.MULTILINE)
MODE = re.compile(r"^detectLocalMode:[ \t]*[\"']?(\w*)", re.MULTILINE)
PROXY = re.compile(r"^mode:[ \t]*[\"']?(\w*)", re.MULTILINE)
LIMIT = 65536


class Told(NamedTuple):
    """Where kube-proxy is told of no network of pods, nor of another way to know them, and its mode."""

    at: Span
    mode: str


def untold(network: Network) -> Iterator[Told]:
    """The ConfigMaps of kube-proxy without a network of pods."""
    for (_, name), fact in sorted(network.cluster.config_maps.items()):
        located = next((fact.data[key] for key in ("config.conf", "config") if key in fact.data), None)
        if not name.startswith("kube-proxy") or located is None:
            continue
        text = located.value[:LIMIT]
        found, mode, proxy = EMPTY.search(text), MODE.search(text), PROXY.search(text)
        if found is not None and (mode is None or mode[1] in ("", "ClusterCIDR")):
            yield Told(line_of(located, "clusterCIDR:", network.sources), proxy[1] if proxy is not None else "")


def unmarked(root: Namespace, known: dict[str, bool], family: int = 4) -> Span | None:
    """A chain of a service's cluster address, where no rule of such chains marks what does not come from pods; None where some do, or there are none.
    ``known``: of which contents of chains it is known whether they mark."""
    first = None
    for ruleset, chain in chains(root, "nat", family, of_services):
        service = chain.name != "KUBE-SERVICES"
        if service and not len(chain.rules):
            continue
        if marking(chain, known) or MARK not in ruleset.tables.get("nat", {}):
            return None
        first = first or (chain.at if service else None)
    return first


def of_services(chain: str) -> bool:
    """Whether a chain of this name is one service's, or that of all."""
    return chain.startswith("KUBE-SVC-") or chain == "KUBE-SERVICES"


def marking(chain: Chain, known: dict[str, bool]) -> bool:
    """Whether a rule of a chain marks packets; nodes have mostly equal chains."""
    found = known.get(chain.content)
    if found is None:
        found = any(marks(rule) for rule in chain.rules)
        if chain.content:
            known[chain.content] = found
    return found


def marks(rule: NfRule) -> bool:
    """Whether a rule marks packets for masquerading by what they are not from, or all to a service's chain."""
    if not isinstance(rule.target, Jump) or rule.target.chain != MARK:
        return False
    by_source = any(isinstance(one, AddressMatch) and one.side is Side.SOURCE for one in rule.matches)
    by_device = any(isinstance(one, InterfaceMatch) for one in rule.matches)
    negated = any(isinstance(one, AddressMatch | InterfaceMatch) and one.negated for one in rule.matches)
    return negated or not (by_source or by_device or "external" in rule.comment or "loadbalancer" in rule.comment)
