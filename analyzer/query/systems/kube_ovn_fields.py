"""What Kube-OVN refuses in a Subnet beside its network, and what the objects that it names must be (kubeovn/kube-ovn pkg/util/validator.go, ``ValidateSubnet`` and
``validateNatOutgoingPolicyRules``; the CRDs in dist/images/install.sh for ACLs and VLANs)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import Address, Prefix
from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.network import Network
from analyzer.query.refusals import Refusal, address_in, network_in, number_of, objects, spec_of

GROUP = "kubeovn.io"
DEFAULT_VPC = "ovn-cluster"
V6_MTU, MTUS = 1280, (68, 65535)
ROUTING_PRIORITIES = (1, 32765)
GATEWAYS_MOST = 2
KERNEL_TABLES = {253: "default", 254: "main", 255: "local"}
DIRECTIONS = ("from-lport", "to-lport")
ACTIONS = ("allow", "allow-related", "allow-stateless", "drop", "reject", "pass")
PRIORITY_MOST = 32767
VLAN_MOST = 4095


def fields(fact: ObjectFact, known: list[Prefix]) -> Iterator[Refusal]:
    """What is wrong with a subnet by itself."""
    spec, place = spec_of(fact), fact.place
    families = {item.family for item in known}
    mtu = spec.get("mtu")
    if isinstance(mtu, int) and 0 < mtu < V6_MTU and 6 in families:
        yield Refusal(place("spec", "mtu"), f"mtu {mtu} is below {V6_MTU}, the least of IPv6")
    else:
        yield from number_of(fact, "mtu", *MTUS) if mtu else ()
    if spec.get("policyRoutingPriority"):
        yield from number_of(fact, "policyRoutingPriority", *ROUTING_PRIORITIES)
    if spec.get("vpc") == fact.name:
        yield Refusal(place("spec", "vpc"), f"a subnet and its VPC cannot both be called {fact.name}")
    yield from egress(fact, families)
    yield from interconnection(fact, known)
    for index, item in enumerate(listed(spec, "acls")):
        yield from acl(fact, index, item)
    for index, item in enumerate(listed(spec, "natOutgoingPolicyRules")):
        yield from nat_rule(fact, index, item)


def listed(spec: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The entries of a list that have fields."""
    found = spec.get(key)
    return [item if isinstance(item, Mapping) else {} for item in found] if isinstance(found, list) else []


def egress(fact: ObjectFact, families: set[int]) -> Iterator[Refusal]:
    """``externalEgressGateway``: one address or two, of the subnet's family; its routes stand in a table that is not the kernel's."""
    spec, at = spec_of(fact), fact.place("spec", "externalEgressGateway")
    text = spec.get("externalEgressGateway")
    if not text:
        return
    parts = str(text).split(",")
    found = [address_in(part) for part in parts]
    if len(parts) > GATEWAYS_MOST:
        yield Refusal(at, f"externalEgressGateway has {len(parts)} addresses, and may have {GATEWAYS_MOST}")
    elif None in found:
        yield Refusal(at, f"externalEgressGateway {text!r} is no address")
    elif len(families) == 1 and {item.family for item in found if item is not None} != families:
        yield Refusal(at, f"externalEgressGateway {text} is not of the subnet's family")
    table = KERNEL_TABLES.get(spec.get("policyRoutingTableID") or 0)
    if table is not None:
        yield Refusal(
            fact.place("spec", "policyRoutingTableID"),
            f"policyRoutingTableID {spec['policyRoutingTableID']} is the table {table}",
        )


def interconnection(fact: ObjectFact, known: list[Prefix]) -> Iterator[Refusal]:
    """``u2oInterconnectionIP``: addresses of the subnet that are not its gateways."""
    spec = spec_of(fact)
    text = spec.get("u2oInterconnectionIP")
    gateways = {address_in(part.strip()) for part in str(spec.get("gateway") or "").split(",")}
    for part in str(text).split(",") if text else ():
        found = address_in(part.strip())
        if found is None or not any(item.covers(found) for item in known):
            why = f"is not in {', '.join(map(str, known))}"
        elif found in gateways:
            why = "is the subnet's gateway"
        else:
            continue
        yield Refusal(fact.place("spec", "u2oInterconnectionIP"), f"u2oInterconnectionIP {part.strip()} {why}")


def acl(fact: ObjectFact, index: int, item: Mapping[str, Any]) -> Iterator[Refusal]:
    """An ACL of a subnet, as its CRD has it."""
    for key, words in (("direction", DIRECTIONS), ("action", ACTIONS)):
        if item.get(key) is not None and item[key] not in words:
            yield Refusal(fact.place("spec", "acls", index, key), f"{key} {item[key]!r} is none of {', '.join(words)}")
    priority = item.get("priority")
    if isinstance(priority, int) and not 0 <= priority <= PRIORITY_MOST:
        yield Refusal(fact.place("spec", "acls", index, "priority"), f"priority {priority} is not between 0 and {PRIORITY_MOST}")


def nat_rule(fact: ObjectFact, index: int, item: Mapping[str, Any]) -> Iterator[Refusal]:
    """A rule of what is masqueraded: the addresses of each side are of one family, that of the other side."""
    path = ("spec", "natOutgoingPolicyRules", index)
    if item.get("action") not in ("nat", "forward", None):
        yield Refusal(fact.place(*path, "action"), f"action {item['action']!r} is none of nat, forward")
    match = item.get("match")
    families: set[int] = set()
    for key in ("srcIPs", "dstIPs"):
        text = match.get(key) if isinstance(match, Mapping) else None
        for part in str(text).split(",") if text else ():
            found: Address | Prefix | None = address_in(part) or network_in(part)
            if found is None:
                yield Refusal(fact.place(*path, "match", key), f"{part!r} of {key} is neither an address nor a network")
            else:
                families.add(found.family)
    if len(families) > 1:
        yield Refusal(fact.place(*path, "match"), "srcIPs and dstIPs are not of one family")


def named(network: Network) -> Iterator[Refusal]:
    """What subnets and VLANs name and is not there, where objects of that kind were captured; VLANs' numbers."""
    for kind, key, of in (("Subnet", "vlan", "Vlan"), ("Vlan", "provider", "ProviderNetwork")):
        there = {fact.name for fact in objects(network, of, GROUP)}
        for fact in objects(network, kind, GROUP):
            name = spec_of(fact).get(key)
            if there and name and name not in there:
                text = f"{kind} {fact.name} is of the {of} {name}, which does not exist"
                yield Refusal(fact.place("spec", key), text, certain=False)
    for fact in objects(network, "Vlan", GROUP):
        yield from number_of(fact, "id", 0, VLAN_MOST)
    for fact in objects(network, "Subnet", GROUP):
        yield from gateway_nodes(network, fact)


def gateway_nodes(network: Network, fact: ObjectFact) -> Iterator[Refusal]:
    """The nodes that a centralized gateway is on, each with an address of its own or without (``n1:172.18.0.9,n2``): without any, the
    subnet does not become ready (pkg/controller/subnet.go)."""
    spec = spec_of(fact)
    elsewhere = spec.get("externalEgressGateway") or spec.get("vlan") or spec.get("vpc") not in (None, "", DEFAULT_VPC)
    if spec.get("gatewayType") != "centralized" or elsewhere:
        return
    names = [part.partition(":")[0].strip() for part in str(spec.get("gatewayNode") or "").split(",")]
    names = [name for name in names if name]
    if not names and not spec.get("gatewayNodeSelectors"):
        yield Refusal(fact.place("spec", "gatewayType"), f"subnet {fact.name} has a centralized gateway, and no node for it")
    for name in names:
        if network.cluster.nodes and name not in network.cluster.nodes:
            text = f"gatewayNode {name} of subnet {fact.name} is no node"
            yield Refusal(fact.place("spec", "gatewayNode"), text, certain=False)
