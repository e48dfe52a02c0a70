"""Fixed addresses one by one: what address management refuses whatever the other pods have."""

from __future__ import annotations

import json
from collections.abc import Iterator

from analyzer.addresses import Address
from analyzer.model.network import Network
from analyzer.query.cni.shared import HARDWARE
from analyzer.query.ipam.asking import CALICO_ADDRESSES, CALICO_POOLS, OVN_ADDRESS, OVN_POOL, OVN_SWITCH, home_subnets, texts
from analyzer.query.refusals import Refusal, address_in, objects
from analyzer.query.systems.calico import Pool, pools
from analyzer.query.systems.kube_ovn import GROUP as KUBE_OVN
from analyzer.query.systems.kube_ovn import Subnet, subnets
from analyzer.query.wanted_pods import Workload, workloads

OVN_MAC = "ovn.kubernetes.io/mac_address"
OVN_RATES = ("ovn.kubernetes.io/ingress_rate", "ovn.kubernetes.io/egress_rate")


def fixed_refusals(network: Network) -> Iterator[Refusal]:
    """What is wrong with each workload's annotations."""
    calico, known = list(pools(network)), list(subnets(network))
    for item in workloads(network):
        if not item.host_network:
            yield from of_calico(item, calico)
            yield from of_kube_ovn(network, item, known)


def of_calico(item: Workload, known: list[Pool]) -> Iterator[Refusal]:
    """Calico's annotations are JSON lists; addresses must lie in an enabled pool, pools must exist and be enabled."""
    for key in (CALICO_ADDRESSES, *CALICO_POOLS.values()):
        text = item.annotations.get(key, "")
        if not text:
            continue
        at = item.annotation_place(key)
        if not is_list(text):
            yield Refusal(at, f"{key} of {item.title} is no JSON list of texts")
        elif key == CALICO_ADDRESSES:
            for one in texts(text):
                found = address_in(one)
                if found is None:
                    yield Refusal(at, f"{item.title} asks for {one!r}, which is no address")
                elif known and not any(pool.prefix.covers(found) and not pool.disabled for pool in known):
                    yield Refusal(at, f"{item.title} asks for {found}, which is in no enabled pool")
        elif known:
            names = {name for pool in known if not pool.disabled for name in (pool.fact.name, str(pool.prefix))}
            for one in texts(text):
                if one not in names:
                    yield Refusal(at, f"{item.title} asks for the pool {one}, which does not exist or is disabled")


def is_list(text: str) -> bool:
    """Whether a text is a JSON list of texts."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, list) and all(isinstance(item, str) for item in found)


def of_kube_ovn(network: Network, item: Workload, known: list[Subnet]) -> Iterator[Refusal]:
    """Kube-OVN's annotations, where its subnets were captured."""
    if not known:
        return
    yield from hardware_and_rates(item)
    named = item.annotations.get(OVN_SWITCH, "")
    if named and not any(one.fact.name == named for one in known):
        yield Refusal(item.annotation_place(OVN_SWITCH), f"{item.title} asks for the subnet {named}, which does not exist")
        return
    home = home_subnets(item, known)
    pools_there = {fact.name for fact in objects(network, "IPPool", KUBE_OVN)}
    for key in (OVN_ADDRESS, OVN_POOL):
        text = item.annotations.get(key, "").strip()
        at = item.annotation_place(key)
        if not text or (key == OVN_POOL and text in pools_there):
            continue
        parts = [part.strip().partition("/")[0] for part in text.replace(";", ",").split(",")]
        if key == OVN_POOL and len(parts) == 1 and address_in(parts[0]) is None:
            yield Refusal(at, f"{item.title} asks for the IPPool {text}, which does not exist")
            continue
        for part in parts:
            found = address_in(part)
            if found is None:
                yield Refusal(at, f"{item.title} asks for {part!r}, which is no address")
            elif home:
                yield from (Refusal(at, f"{item.title} asks for {found}, {reason}") for reason in misplaced(found, home))


def hardware_and_rates(item: Workload) -> Iterator[Refusal]:
    """What is neither a hardware address nor a rate in Mbit/s (``ValidatePodNetwork``)."""
    mac = item.annotations.get(OVN_MAC, "")
    if mac and HARDWARE.fullmatch(mac) is None:
        yield Refusal(item.annotation_place(OVN_MAC), f"{item.title} asks for {mac!r}, which is no hardware address")
    for key in OVN_RATES:
        rate = item.annotations.get(key, "")
        if rate and not (rate.isascii() and rate.isdecimal()):
            yield Refusal(item.annotation_place(key), f"{item.title} asks for the rate {rate!r}, which is no whole number")


def misplaced(found: Address, home: list[Subnet]) -> Iterator[str]:
    """Why an address is not one of the home subnets."""
    own = next(((one, prefix) for one in home for prefix in one.networks if prefix.covers(found)), None)
    if own is None:
        yield f"which is not in {' or '.join(f'subnet {one.fact.name}' for one in home)}"
        return
    subnet, prefix = own
    if found in subnet.gateways:
        yield f"the gateway of subnet {subnet.fact.name}"
    elif found.value == prefix.value or (found.family == 4 and found.value == prefix.last):
        yield f"the first or last address of subnet {subnet.fact.name}"
