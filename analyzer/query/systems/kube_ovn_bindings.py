"""What external addresses of Kube-OVN are bound to, and whom rules of OVN translate: what its controller refuses (kubeovn/kube-ovn pkg/controller/ovn_eip.go,
ovn_fip.go ``isOvnFipDuplicated``, ovn_snat.go, ovn_dnat.go, vpc_nat_gw_nat.go ``fipTryUseEip``; pkg/webhook/ovn_nat_gateway.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.network import Network
from analyzer.query.refusals import Refusal, address_in, network_in, objects, spec_of, word_of

GROUP, EXTERNAL = "kubeovn.io", "ovn-vpc-external-network"
TYPES = ("nat", "lrp", "lsp")
WHOM: Mapping[str, tuple[str, ...]] = {
    "OvnFip": ("ipName", "v4Ip", "v6Ip"),
    "OvnDnatRule": ("ipName", "v4Ip", "v6Ip"),
    "OvnSnatRule": ("vpcSubnet", "ipName", "v4IpCidr", "v6IpCidr"),
}


def refusals(network: Network) -> Iterator[Refusal]:
    """Addresses that are the gateway's, floating addresses that two rules take, and rules that say for nobody."""
    subnets = {fact.name: fact for fact in objects(network, "Subnet", GROUP)}
    for kind in ("IptablesEIP", "OvnEip"):
        for fact in objects(network, kind, GROUP):
            yield from at_an_edge(fact, subnets)
    for fact in objects(network, "OvnEip", GROUP):
        yield from word_of(fact, "type", TYPES)
    yield from taken(network)
    ports = {fact.name: fact for fact in objects(network, "OvnEip", GROUP) if spec_of(fact).get("type") == "lsp"}
    for kind in WHOM:
        for fact in objects(network, kind, GROUP):
            yield from for_nobody(fact, subnets)
            name = spec_of(fact).get("ovnEip")
            if name in ports:
                words = f"ovnEip {name} is of type lsp, a port of a node: {kind} {fact.name} cannot translate to it"
                yield Refusal(fact.place("spec", "ovnEip"), words)


def at_an_edge(fact: ObjectFact, subnets: Mapping[str, ObjectFact]) -> Iterator[Refusal]:
    """An external address that is its subnet's gateway, or the network's or broadcast address."""
    owner = subnets.get(str(spec_of(fact).get("externalSubnet") or EXTERNAL))
    if owner is None:
        return
    gateways = {address_in(part.strip()) for part in str(spec_of(owner).get("gateway") or "").split(",")}
    prefixes = [network_in(part.strip()) for part in str(spec_of(owner).get("cidrBlock") or "").split(",")]
    for key in ("v4ip", "v6ip", "v4Ip", "v6Ip"):
        found = address_in(spec_of(fact).get(key))
        if found is None:
            continue
        edge = any(one and one.family == found.family == 4 and found.value in (one.value, one.last) for one in prefixes)
        if found in gateways or edge:
            what = "gateway" if found in gateways else "network or broadcast address"
            words = f"{key} {found} of {fact.kind} {fact.name} is the {what} of subnet {owner.name}"
            yield Refusal(fact.place("spec", key), words, certain=edge)


def taken(network: Network) -> Iterator[Refusal]:
    """An external address that two floating addresses are to have: the second is refused."""
    for kind, key in (("IptablesFIPRule", "eip"), ("OvnFip", "ovnEip")):
        first: dict[str, ObjectFact] = {}
        for fact in objects(network, kind, GROUP):
            name = str(spec_of(fact).get(key) or "")
            if name and (other := first.setdefault(name, fact)) is not fact:
                yield Refusal(fact.place("spec", key), f"{key} {name} of {kind} {fact.name} is taken by {kind} {other.name}")


def for_nobody(fact: ObjectFact, subnets: Mapping[str, ObjectFact]) -> Iterator[Refusal]:
    """A rule of OVN that names nobody inside, or a subnet that is not there."""
    spec, keys = spec_of(fact), WHOM[fact.kind]
    if not any(spec.get(key) for key in keys):
        yield Refusal(fact.place("spec"), f"{fact.kind} {fact.name} says for nobody inside: it needs one of {', '.join(keys)}")
    name = spec.get("vpcSubnet")
    if name and subnets and name not in subnets:
        yield Refusal(fact.place("spec", "vpcSubnet"), f"vpcSubnet of {fact.kind} {fact.name}: there is no Subnet {name}")
