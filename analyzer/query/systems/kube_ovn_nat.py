"""VPCs of Kube-OVN and what leads out of them: gateways, addresses and translations, and what the webhook refuses in them.

Follows kubeovn/kube-ovn pkg/webhook/vpc.go, vpc_nat_gateway.go and ovn_nat_gateway.go, and ``ValidateVpc`` of pkg/util/validator.go. An object that is named and not among the
objects is told where others of its kind are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.addresses import Address, Prefix
from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.network import Network
from analyzer.query.refusals import Refusal, address_in, network_in, objects, spec_of

GROUP = "kubeovn.io"
DEFAULT_VPC, EXTERNAL = "ovn-cluster", "ovn-vpc-external-network"
PORTS = ("externalPort", "internalPort")
SHARE = "share"
PRIORITY_MOST = 32767


@dataclass(frozen=True, slots=True)
class Kinds:
    """The objects of the input, by kind and name."""

    found: Mapping[str, Mapping[str, ObjectFact]]

    def missing(self, fact: ObjectFact, key: str, kind: str, name: str | None = None) -> Iterator[Refusal]:
        """A field that must name an object of a kind, and does not."""
        wanted = str(spec_of(fact).get(key) or name or "")
        if not wanted:
            yield Refusal(fact.place("spec"), f"{fact.kind} {fact.name} needs {key}: the name of its {kind}")
        elif self.found[kind] and wanted not in self.found[kind]:
            yield Refusal(fact.place("spec", key), f"{key} of {fact.kind} {fact.name}: there is no {kind} {wanted}")


NAMED = ("Vpc", "Subnet", "VpcNatGateway", "IptablesEIP", "OvnEip", "IptablesFIPRule", "IptablesDnatRule")


def refusals(network: Network) -> Iterator[Refusal]:
    """What is refused in VPCs, gateways, addresses and translations."""
    kinds = Kinds({kind: {fact.name: fact for fact in objects(network, kind, GROUP)} for kind in NAMED})
    for fact in kinds.found["Vpc"].values():
        yield from vpc(fact, kinds)
    for fact in kinds.found["Subnet"].values():
        if spec_of(fact).get("vpc") not in (None, "", DEFAULT_VPC):
            yield from kinds.missing(fact, "vpc", "Vpc")
    for fact in kinds.found["VpcNatGateway"].values():
        yield from nat_gateway(fact, kinds)
    for kind, family in (("IptablesEIP", "ip"), ("OvnEip", "Ip")):
        for fact in kinds.found[kind].values():
            yield from external(fact, kinds, family)
    yield from twice(kinds)
    for kind in ("IptablesFIPRule", "IptablesDnatRule", "IptablesSnatRule", "OvnFip", "OvnDnatRule", "OvnSnatRule"):
        for fact in objects(network, kind, GROUP):
            yield from translation(fact, kinds)
    yield from same_port(network)


def vpc(fact: ObjectFact, kinds: Kinds) -> Iterator[Refusal]:
    """``VpcCreateHook`` and ``ValidateVpc``."""
    if fact.name in kinds.found["Subnet"]:
        yield Refusal(fact.at, f"Vpc {fact.name} has the name of a Subnet")
    for index, item in items(fact, "staticRoutes"):
        policy, cidr, hop = item.get("policy"), item.get("cidr"), item.get("nextHopIP")
        if policy not in (None, "", "policyDst", "policySrc"):
            yield Refusal(
                fact.place("spec", "staticRoutes", index, "policy"), f"policy {policy!r} is none of policyDst, policySrc"
            )
        if network_in(cidr) is None and address_in(cidr) is None:
            place = fact.place("spec", "staticRoutes", index, "cidr")
            yield Refusal(place, f"cidr {cidr!r} of a static route is neither a network nor an address")
        if address_in(hop) is None:
            words = f"nextHopIP {hop!r} is no address" if hop else "a static route needs nextHopIP"
            yield Refusal(fact.place("spec", "staticRoutes", index, *(("nextHopIP",) if hop else ())), words)
    for index, item in items(fact, "policyRoutes"):
        yield from policy_route(fact, index, item)
    for index, item in items(fact, "vpcPeerings"):
        told = str(item.get("localConnectIP") or "")
        if any(network_in(part.strip()) is None for part in told.split(",")):
            place = fact.place("spec", "vpcPeerings", index, "localConnectIP")
            yield Refusal(place, f"localConnectIP {told!r} is no address with a length")
        remote = str(item.get("remoteVpc") or "")
        if remote not in {DEFAULT_VPC, *kinds.found["Vpc"]}:
            place = fact.place("spec", "vpcPeerings", index, "remoteVpc")
            yield Refusal(place, f"Vpc {fact.name} peers with {remote}, which does not exist")


def policy_route(fact: ObjectFact, index: int, item: Mapping[str, Any]) -> Iterator[Refusal]:
    """A route by policy: what reroutes needs somewhere to go."""
    action, hop, priority = item.get("action"), str(item.get("nextHopIP") or ""), item.get("priority")
    if isinstance(priority, int) and not 0 <= priority <= PRIORITY_MOST:
        place = fact.place("spec", "policyRoutes", index, "priority")
        yield Refusal(place, f"priority {priority} is not between 0 and {PRIORITY_MOST}, which is what OVN's policies can have")
    if action not in ("allow", "drop", "reroute"):
        yield Refusal(fact.place("spec", "policyRoutes", index, "action"), f"action {action!r} is none of allow, drop, reroute")
    elif action == "reroute" and any(address_in(part.strip()) is None for part in hop.split(",")):
        place = fact.place("spec", "policyRoutes", index, "nextHopIP")
        yield Refusal(place, f"nextHopIP {hop!r} of a route that reroutes must be addresses")


def items(fact: ObjectFact, key: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a list of the spec, with their places in it."""
    found = spec_of(fact).get(key)
    for index, item in enumerate(found if isinstance(found, list) else ()):
        if isinstance(item, Mapping):
            yield index, item


def networks(kinds: Kinds, name: str) -> tuple[Prefix, ...]:
    """The networks of a subnet; none where it is not given or cannot be read."""
    fact = kinds.found["Subnet"].get(name)
    parts = str(spec_of(fact).get("cidrBlock") or "").split(",") if fact is not None else ()
    return tuple(found for part in parts if (found := network_in(part.strip())) is not None)


def inside(fact: ObjectFact, key: str, kinds: Kinds, subnet: str) -> Iterator[Refusal]:
    """An address that must be one of a subnet."""
    text = spec_of(fact).get(key)
    found, known = address_in(text), networks(kinds, subnet)
    if text and found is None:
        yield Refusal(fact.place("spec", key), f"{key} {text!r} is no address")
    elif found is not None and known and not any(item.covers(found) for item in known):
        words = f"{key} {text} of {fact.kind} {fact.name} is not in subnet {subnet} ({', '.join(map(str, known))})"
        yield Refusal(fact.place("spec", key), words)


def nat_gateway(fact: ObjectFact, kinds: Kinds) -> Iterator[Refusal]:
    """``ValidateVpcNatGW``: with several replicas each takes an address by itself."""
    if spec_of(fact).get("vpc") != DEFAULT_VPC:
        yield from kinds.missing(fact, "vpc", "Vpc")
    yield from kinds.missing(fact, "subnet", "Subnet")
    subnet, replicas = str(spec_of(fact).get("subnet") or ""), spec_of(fact).get("replicas")
    if not (isinstance(replicas, int) and replicas > 1):
        yield from inside(fact, "lanIp", kinds, subnet)
    owner = kinds.found["Subnet"].get(subnet)
    wanted, has = spec_of(fact).get("vpc"), str((spec_of(owner).get("vpc") if owner else "") or DEFAULT_VPC)
    if owner is not None and wanted and wanted != has:
        words = f"VpcNatGateway {fact.name} of VPC {wanted} is in subnet {subnet}, which is of VPC {has}"
        yield Refusal(fact.place("spec", "subnet"), words, certain=False)


def external(fact: ObjectFact, kinds: Kinds, word: str) -> Iterator[Refusal]:
    """``ValidateIptablesEIP``, ``ValidateOvnEip``: an address of an external subnet, and for iptables its gateway."""
    if fact.kind == "IptablesEIP":
        yield from kinds.missing(fact, "natGwDp", "VpcNatGateway")
    default = EXTERNAL if fact.kind == "IptablesEIP" else None
    yield from kinds.missing(fact, "externalSubnet", "Subnet", default)
    subnet = str(spec_of(fact).get("externalSubnet") or default or "")
    for key in (f"v4{word}", f"v6{word}"):
        yield from inside(fact, key, kinds, subnet)


def twice(kinds: Kinds) -> Iterator[Refusal]:
    """Two external addresses of one subnet that are the same."""
    seen: dict[tuple[str, Address], ObjectFact] = {}
    for kind in ("IptablesEIP", "OvnEip"):
        for fact in kinds.found[kind].values():
            subnet = str(spec_of(fact).get("externalSubnet") or EXTERNAL)
            for key in ("v4ip", "v6ip", "v4Ip", "v6Ip"):
                found = address_in(spec_of(fact).get(key))
                if found is not None and (first := seen.setdefault((subnet, found), fact)) is not fact:
                    yield Refusal(
                        fact.place("spec", key), f"{found} of {fact.kind} {fact.name} is that of {first.kind} {first.name} too"
                    )


def translation(fact: ObjectFact, kinds: Kinds) -> Iterator[Refusal]:
    """A rule of a gateway: the address that it is of, and what it translates to."""
    spec, own = spec_of(fact), fact.kind.startswith("Ovn")
    if own or spec.get("eip") or not spec.get("clusterIP"):
        yield from kinds.missing(fact, "ovnEip" if own else "eip", "OvnEip" if own else "IptablesEIP")
    if fact.kind in ("IptablesFIPRule", "IptablesDnatRule") and address_in(spec.get("internalIp")) is None:
        yield Refusal(fact.place("spec", "internalIp"), f"internalIp {spec.get('internalIp')!r} is no address")
    if fact.kind == "IptablesSnatRule":
        told = str(spec.get("internalCIDR") or "")
        if any(network_in(part.strip()) is None for part in told.split(",")):
            yield Refusal(fact.place("spec", "internalCIDR"), f"internalCIDR {told!r} is no network")
    if fact.kind in ("IptablesDnatRule", "OvnDnatRule"):
        yield from port_rule(fact)


def port_rule(fact: ObjectFact) -> Iterator[Refusal]:
    """Ports are numbers in quotes, the protocol is TCP or UDP."""
    spec = spec_of(fact)
    for key in PORTS:
        text = str(spec.get(key) if spec.get(key) is not None else "")
        if not (text.isdecimal() and 0 < int(text) <= 65535):
            yield Refusal(fact.place("spec", key), f"{key} {text!r} is no port")
    if str(spec.get("protocol")).lower() not in ("tcp", "udp"):
        yield Refusal(fact.place("spec", "protocol"), f"protocol {spec.get('protocol')!r} is none of tcp, udp")


def same_port(network: Network) -> Iterator[Refusal]:
    """Rules of one port of one address, and rules beside one that takes the whole address (``IptablesFIPRule``, which is asked first)."""
    for kind, key, floating in (("IptablesDnatRule", "eip", "IptablesFIPRule"), ("OvnDnatRule", "ovnEip", "OvnFip")):
        whole = {str(spec_of(fact).get(key)): fact for fact in objects(network, floating, GROUP)}
        seen: dict[tuple[str, str, str], ObjectFact] = {}
        for fact in objects(network, kind, GROUP):
            spec = spec_of(fact)
            address = str(spec.get(key) or "")
            identity = (address, str(spec.get("externalPort")), str(spec.get("protocol")).lower())
            if address in whole:
                taken = whole[address]
                yield Refusal(
                    fact.place("spec", key),
                    f"{address} is taken whole by {taken.kind} {taken.name}: {fact.kind} {fact.name} is never asked",
                )
            first = seen.setdefault(identity, fact)
            if address and first is not fact and not (spec.get("type") == spec_of(first).get("type") == SHARE):
                words = f"port {identity[1]}/{identity[2]} of {address} is that of {first.kind} {first.name} too"
                yield Refusal(fact.place("spec", "externalPort"), words)
