"""host-local has handed out every address of a range, or nearly every one.

## What it finds
Networks of a node of which all addresses that host-local may hand out are leased (`/var/lib/cni/networks/<network>/<address>`): of a subnet, of `rangeStart` to `rangeEnd`, and of several ranges
of one set together. A pod gets one address of each set, so that one full set is enough. Networks with few addresses left are a note, and so are full second networks, which are often made for just their pods.

## Why it matters
The next pod of the node stays in ContainerCreating with "no IP addresses available in range set", whether or not the leases are still in use.

## Example
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.10", "rangeEnd": "10.244.1.13"}]]}
    /var/lib/cni/networks/cbr0/10.244.1.10 … 10.244.1.13          # four leases

## How to mend
Give the network a longer range or a second one in the same set; where `lease-without-pod` names leases, remove those first. Without a longer range lower `maxPods` of the node.

## Sources
containernetworking/plugins plugins/ipam/host-local/backend/allocator/allocator.go (Get, GetIter: the gateway is passed over), main.go (one allocator for each set); containernetworking/plugins#332, cni#204.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from analyzer.query.cni.address_ranges import AddressRange, host_local
from analyzer.query.cni.checks import active
from analyzer.query.cni.configs import Config, Holder
from analyzer.query.cni.networks import pools
from analyzer.query.plan import captured_name
from analyzer.rule import Address, Finding, Network, Prefix, Rule, Severity, Span

FEW = 20  # one address of so many


class Set(NamedTuple):
    """A range set of a network, of which a pod gets one address. ``stated``: a configuration says so; ``second``: a network beside the cluster's."""

    ranges: tuple[AddressRange, ...]
    at: Span
    stated: bool
    second: bool

    @property
    def size(self) -> int:
        """How many addresses can be handed out."""
        return sum(item.size for item in self.ranges)

    def holds(self, address: Address) -> bool:
        """Whether the address may be handed out from here."""
        return any(
            item.subnet.family == address.family and item.first <= address.value <= item.last and address != item.gateway
            for item in self.ranges
        )


def check(network: Network) -> Iterator[Finding]:
    known = list(active(network))
    for node, files in sorted(network.files.items()):
        for name in sorted({lease.network for lease in files.leases}):
            held = {lease.address: lease.at for lease in files.leases if lease.network == name}
            for found in sets(network, known, node, name, set(held)):
                yield from full(node, name, found, [at for address, at in sorted(held.items()) if found.holds(address)])


def full(node: str, name: str, found: Set, leases: list[Span]) -> Iterator[Finding]:
    """One set without addresses, or with few."""
    left = found.size - len(leases)
    if not leases or left > found.size // FEW:
        return
    words = ", ".join(str(item) for item in found.ranges)
    count = f"all {found.size}" if not left else f"{len(leases)} of {found.size}"
    after = "the next pod gets none" if not left else f"{left} {'is' if left == 1 else 'are'} left"
    yield RULE.finding(
        found.at,
        f"{count} addresses of network {name!r} on {node} ({words}) are leased: {after}",
        related=[(leases[-1], f"the last of {len(leases)} leases")],
        note=""
        if found.stated
        else "no configuration of the network was captured: its range is taken to be the node's pod network",
        help="give the network more addresses, or remove leases whose container no longer exists",
        certain=found.stated,
        severity=Severity.NOTE if left or found.second else None,
    )


def sets(network: Network, known: list[Config], node: str, name: str, leased: set[Address]) -> Iterator[Set]:
    """The range sets of a network on a node: by its configuration, by flannel's file, else the node's pod network where it holds all leases."""
    mine = [item for item in known if item.name == name and item.node in ("", node)]
    told = [item for config in mine for item in stated(config)]
    if not told and (file := network.files[node].subnet_file) is not None and (not mine or flannel(mine)):
        values = dict(file.values)
        told = of_networks([values.get(key, "") for key in ("FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET")], file.at, bool(mine))
    fact = next((item for name, item in sorted(network.cluster.nodes.items()) if captured_name(network, name) == node), None)
    if not told and fact is not None and leased and all(holding(fact.pod_cidrs, one) for one in leased):
        told = of_networks([str(item) for item in fact.pod_cidrs], fact.place("spec", "podCIDR"), False)
    yield from told


def stated(config: Config) -> Iterator[Set]:
    """The sets of host-local in a configuration, where leases are kept in its usual folder."""
    found = [item for item in pools(config) if item.record == "host-local" and not item.call.text("ipam", "dataDir")]
    for _, group in groupby(found, key=lambda item: (id(item.call), item.range.group)):
        members = list(group)
        yield Set(tuple(item.range for item in members), members[0].at, True, config.holder is Holder.ATTACHMENT)


def of_networks(texts: list[str], at: Span, said: bool) -> list[Set]:
    """A set for each network, with the ranges that host-local takes by itself."""
    ranges = [item for text in texts for item in host_local({"subnet": text})]
    return [Set((item,), at, said, False) for item in ranges]


def flannel(configs: list[Config]) -> bool:
    """Whether flannel's plugin names the ranges."""
    return any(call.text("type") == "flannel" for config in configs for call, _ in config.calls)


def holding(networks: tuple[Prefix, ...], address: Address) -> bool:
    """Whether a pod network has the address."""
    return any(item.covers(address) for item in networks)


RULE = Rule("lease-range-full", Severity.WARNING, __doc__, check)
