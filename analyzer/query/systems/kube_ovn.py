"""Kube-OVN's objects: what its webhook and controller refuse (kubeovn/kube-ovn pkg/util/validator.go, pkg/controller/subnet.go)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from analyzer.addresses import WIDTH, Address, Prefix
from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.network import Network
from analyzer.query.refusals import Refusal, address_in, host_bits, network_in, objects, spec_of, word_of
from analyzer.query.systems import kube_ovn_bindings, kube_ovn_egress, kube_ovn_fields, kube_ovn_nat
from analyzer.ranges import Ranges, difference, normalised

GROUP, DEFAULT_VPC = kube_ovn_fields.GROUP, kube_ovn_fields.DEFAULT_VPC


@dataclass(frozen=True, slots=True)
class Subnet:
    """A Subnet whose networks can be read: by family the network, the gateways, and what is left out."""

    fact: ObjectFact
    networks: tuple[Prefix, ...]
    gateways: tuple[Address, ...]
    excluded: tuple[tuple[Address, Address], ...]
    vpc: str
    vlan: str
    namespaces: tuple[str, ...]

    def free(self, family: int) -> Ranges:
        """The addresses of a family that pods can get by themselves: network and broadcast, gateway and excluded ones left out."""
        found: Ranges = ()
        for item in self.networks:
            if item.family == family:
                found = ((item.value + 1, item.last - (family == 4)),)
        taken = [(one.value, two.value) for one, two in self.excluded if one.family == family]
        taken += [(item.value, item.value) for item in self.gateways if item.family == family]
        return difference(normalised(found), normalised(taken))


def subnets(network: Network) -> Iterator[Subnet]:
    """The subnets whose networks can be read; without a gateway the first address of a network is one."""
    for fact in objects(network, "Subnet", GROUP):
        spec = spec_of(fact)
        found = [network_in(part.strip()) for part in str(spec.get("cidrBlock") or "").split(",")]
        networks = tuple(item for item in found if item is not None)
        if not networks or None in found:
            continue
        told = [address_in(part.strip()) for part in str(spec.get("gateway") or "").split(",")]
        gateways = tuple(item for item in told if item is not None)
        rest = [item for item in networks if not any(one.family == item.family for one in gateways)]
        gateways += tuple(Address(item.family, item.value + 1) for item in rest)
        names = spec.get("namespaces")
        yield Subnet(
            fact,
            networks,
            gateways,
            tuple(span for _, span in excluded(fact) if span is not None),
            str(spec.get("vpc") or DEFAULT_VPC),
            str(spec.get("vlan") or ""),
            tuple(map(str, names)) if isinstance(names, list) else (),
        )


def excluded(fact: ObjectFact, key: str = "excludeIps") -> Iterator[tuple[int, tuple[Address, Address] | None]]:
    """The addresses of a list, each an address or ``first..last``; None where it is neither."""
    found = spec_of(fact).get(key)
    for index, text in enumerate(found if isinstance(found, list) else ()):
        parts = [address_in(part) for part in str(text).split("..")]
        network = network_in(text)
        if network is not None:
            yield index, (Address(network.family, network.value), Address(network.family, network.last))
        elif len(parts) in (1, 2) and parts[0] is not None and parts[-1] is not None and parts[0] <= parts[-1]:
            yield index, (parts[0], parts[-1])
        else:
            yield index, None


def refusals(network: Network) -> Iterator[Refusal]:
    """What is refused in Kube-OVN's objects."""
    for fact in objects(network, "Subnet", GROUP):
        yield from subnet(fact)
    by_name = {item.fact.name: item for item in subnets(network)}
    for fact in objects(network, "IPPool", GROUP):
        yield from pool(fact, by_name)
    yield from shared_addresses(network)
    yield from kube_ovn_fields.named(network)
    yield from kube_ovn_nat.refusals(network)
    yield from kube_ovn_bindings.refusals(network)
    yield from kube_ovn_egress.refusals(network)


def subnet(fact: ObjectFact) -> Iterator[Refusal]:
    """``ValidateSubnet``."""
    spec, place = spec_of(fact), fact.place
    text = spec.get("cidrBlock")
    networks = [network_in(part.strip()) for part in str(text or "").split(",")]
    if not text and spec.get("vlan"):
        return
    if None in networks:
        yield Refusal(place("spec", "cidrBlock"), f"cidrBlock {text!r} is no network")
        return
    known = [item for item in networks if item is not None]
    for item in known:
        if item.length == WIDTH[item.family]:
            yield Refusal(place("spec", "cidrBlock"), f"{item} is a single address")
    for part in str(text).split(","):
        if host_bits(part.strip()):
            words = f"{part.strip()} is not the address of a network: Kube-OVN takes {network_in(part.strip())}"
            yield Refusal(place("spec", "cidrBlock"), words, certain=False)
    yield from gateway(fact, known)
    for index, span in excluded(fact):
        if span is None:
            yield Refusal(
                place("spec", "excludeIps", index), f"{spec['excludeIps'][index]!r} is neither an address nor first..last"
            )
    yield from word_of(fact, "gatewayType", ("distributed", "centralized"))
    yield from word_of(fact, "protocol", ("IPv4", "IPv6", "Dual"))
    yield from combined(fact, known)
    yield from kube_ovn_fields.fields(fact, known)


def gateway(fact: ObjectFact, known: list[Prefix]) -> Iterator[Refusal]:
    """A gateway must be in the network, and neither its first nor its last address."""
    text = spec_of(fact).get("gateway")
    for part in str(text).split(",") if text else ():
        found = address_in(part.strip())
        inside = next((item for item in known if found is not None and item.covers(found)), None)
        if found is None or inside is None:
            yield Refusal(fact.place("spec", "gateway"), f"gateway {part.strip()} is not in {', '.join(map(str, known))}")
        elif inside.family == 4 and found.value in (inside.value, inside.last):
            yield Refusal(fact.place("spec", "gateway"), f"gateway {found} is the network or broadcast address of {inside}")


def combined(fact: ObjectFact, known: list[Prefix]) -> Iterator[Refusal]:
    """Fields that exclude each other, and addresses outside the network."""
    spec, place = spec_of(fact), fact.place
    if spec.get("externalEgressGateway") and spec.get("natOutgoing") is True:
        yield Refusal(place("spec", "externalEgressGateway"), "externalEgressGateway and natOutgoing cannot both be set")
    if spec.get("logicalGateway") is True and spec.get("u2oInterconnection") is True:
        yield Refusal(place("spec", "u2oInterconnection"), "logicalGateway and u2oInterconnection cannot both be on")
    for index, text in enumerate(spec["vips"] if isinstance(spec.get("vips"), list) else ()):
        found = address_in(text)
        if found is None or not any(item.covers(found) for item in known):
            yield Refusal(place("spec", "vips", index), f"vip {text} is not in {', '.join(map(str, known))}")
    for index, text in enumerate(spec["allowSubnets"] if isinstance(spec.get("allowSubnets"), list) else ()):
        if network_in(text) is None:
            yield Refusal(place("spec", "allowSubnets", index), f"{text!r} is no network")


def pool(fact: ObjectFact, by_name: dict[str, Subnet]) -> Iterator[Refusal]:
    """An IPPool takes addresses of its subnet."""
    name = str(spec_of(fact).get("subnet") or "")
    owner = by_name.get(name)
    if by_name and owner is None:
        yield Refusal(fact.place("spec", "subnet"), f"IPPool {fact.name} is of the subnet {name!r}, which does not exist")
    for index, span in excluded(fact, "ips"):
        if span is None:
            yield Refusal(
                fact.place("spec", "ips", index),
                f"{spec_of(fact)['ips'][index]!r} is neither an address, a network nor first..last",
            )
        elif owner is not None and not any(item.covers(span[0]) and item.covers(span[1]) for item in owner.networks):
            yield Refusal(fact.place("spec", "ips", index), f"{span[0]}..{span[1]} is not in subnet {name}")


def shared_addresses(network: Network) -> Iterator[Refusal]:
    """Pools of one subnet that share addresses."""
    found = [
        (fact, index, span)
        for fact in objects(network, "IPPool", GROUP)
        for index, span in excluded(fact, "ips")
        if span is not None
    ]
    for (one, _, first), (two, index, second) in combinations(found, 2):
        same = spec_of(one).get("subnet") == spec_of(two).get("subnet") and one is not two
        if same and first[0] <= second[1] and second[0] <= first[1] and first[0].family == second[0].family:
            yield Refusal(
                two.place("spec", "ips", index), f"{second[0]}..{second[1]} of IPPool {two.name} overlaps IPPool {one.name}"
            )


def overlapping(network: Network) -> Iterator[tuple[Subnet, Subnet, Prefix, Prefix]]:
    """Subnets of one VPC and VLAN that share addresses (``ValidateCidrConflict``)."""
    for one, two in combinations(list(subnets(network)), 2):
        if one.vpc == two.vpc and one.vlan == two.vlan:
            for first in one.networks:
                for second in two.networks:
                    if first.overlaps(second):
                        yield one, two, first, second
