"""Egress gateways of Kube-OVN's VPCs: what their CRD and their controller refuse (kubeovn/kube-ovn pkg/apis/kubeovn/v1/vpc-egress-gateway.go,
pkg/controller/vpc_egress_gateway.go ``reconcileVpcEgressGatewayWorkload``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import Prefix
from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.network import Network
from analyzer.query.refusals import Refusal, address_in, network_in, number_of, objects, spec_of, word_of

GROUP, DEFAULT_VPC = "kubeovn.io", "ovn-cluster"
MOST = 10
SIDES = (("internalIPs", "internalIPPool", "internalSubnet"), ("externalIPs", "externalIPPool", "externalSubnet"))


def refusals(network: Network) -> Iterator[Refusal]:
    """What is refused in each gateway."""
    subnets = {fact.name: fact for fact in objects(network, "Subnet", GROUP)}
    vpcs = {fact.name for fact in objects(network, "Vpc", GROUP)}
    for fact in objects(network, "VpcEgressGateway", GROUP):
        yield from whole(fact)
        yield from named(fact, subnets, vpcs)
        for keys in SIDES:
            yield from addresses(fact, subnets, *keys)
        for index, item in enumerate(listed(fact, "policies")):
            yield from policy(fact, index, item if isinstance(item, Mapping) else {}, subnets)


def listed(fact: ObjectFact, key: str) -> list[Any]:
    """A list of the spec."""
    found = spec_of(fact).get(key)
    return found if isinstance(found, list) else []


def whole(fact: ObjectFact) -> Iterator[Refusal]:
    """The gateway by itself: for whom it is, and how many of it there are."""
    if not listed(fact, "policies") and not listed(fact, "selectors"):
        yield Refusal(fact.place("spec"), f"VpcEgressGateway {fact.name} is for nobody: it needs policies or selectors")
    yield from number_of(fact, "replicas", 0, MOST)
    yield from word_of(fact, "trafficPolicy", ("Cluster", "Local"))


def named(fact: ObjectFact, subnets: Mapping[str, ObjectFact], vpcs: set[str]) -> Iterator[Refusal]:
    """Its VPC and subnets; objects of a kind of which there is none in the input may be there."""
    spec = spec_of(fact)
    vpc = str(spec.get("vpc") or DEFAULT_VPC)
    if vpcs and vpc not in {DEFAULT_VPC, *vpcs}:
        yield Refusal(fact.place("spec", "vpc"), f"vpc of VpcEgressGateway {fact.name}: there is no Vpc {vpc}")
    if not spec.get("externalSubnet"):
        yield Refusal(fact.place("spec"), f"VpcEgressGateway {fact.name} needs externalSubnet: the subnet that leads out")
    for key in ("internalSubnet", "externalSubnet"):
        name = spec.get(key)
        if name and subnets and name not in subnets:
            yield Refusal(fact.place("spec", key), f"{key} of VpcEgressGateway {fact.name}: there is no Subnet {name}")
    inner = subnets.get(str(spec.get("internalSubnet") or ""))
    owner = str((spec_of(inner).get("vpc") if inner else "") or DEFAULT_VPC)
    if inner is not None and owner != vpc:
        words = f"internalSubnet {inner.name} of VpcEgressGateway {fact.name} is of VPC {owner}, the gateway of {vpc}"
        yield Refusal(fact.place("spec", "internalSubnet"), words, certain=False)


def addresses(fact: ObjectFact, subnets: Mapping[str, ObjectFact], key: str, pool: str, subnet: str) -> Iterator[Refusal]:
    """Addresses of one side: one for each replica, inside the subnet, and no pool beside them."""
    found, replicas = listed(fact, key), spec_of(fact).get("replicas", 1)
    if found and isinstance(replicas, int) and len(found) < replicas:
        yield Refusal(
            fact.place("spec", key), f"{key} has {len(found)} entries for {replicas} replicas: each needs one of its own"
        )
    if found and spec_of(fact).get(pool):
        yield Refusal(fact.place("spec", pool), f"{key} and {pool} cannot both be set")
    prefixes = networks(subnets.get(str(spec_of(fact).get(subnet) or "")))
    for index, text in enumerate(found):
        for part in str(text).split(","):
            address = address_in(part.strip())
            if address is None:
                yield Refusal(fact.place("spec", key, index), f"{part.strip()!r} of {key} is no address")
            elif prefixes and not any(item.covers(address) for item in prefixes):
                words = f"{address} of {key} is not in subnet {spec_of(fact)[subnet]} ({', '.join(map(str, prefixes))})"
                yield Refusal(fact.place("spec", key, index), words)


def networks(fact: ObjectFact | None) -> list[Prefix]:
    """The networks of a subnet; none where it is not given."""
    parts = str(spec_of(fact).get("cidrBlock") or "").split(",") if fact is not None else ()
    return [found for part in parts if (found := network_in(part.strip())) is not None]


def policy(fact: ObjectFact, index: int, item: Mapping[str, Any], subnets: Mapping[str, ObjectFact]) -> Iterator[Refusal]:
    """Whose packets take the gateway: blocks and subnets, at least one."""
    blocks, names = item.get("ipBlocks"), item.get("subnets")
    if not blocks and not names:
        yield Refusal(fact.place("spec", "policies", index), "the policy is for nobody: it needs ipBlocks or subnets")
    for number, text in enumerate(blocks if isinstance(blocks, list) else ()):
        if network_in(text) is None and address_in(text) is None:
            place = fact.place("spec", "policies", index, "ipBlocks", number)
            yield Refusal(place, f"{text!r} of ipBlocks is neither a network nor an address")
    for number, name in enumerate(names if isinstance(names, list) else ()):
        if subnets and name not in subnets:
            yield Refusal(fact.place("spec", "policies", index, "subnets", number), f"there is no Subnet {name}")
