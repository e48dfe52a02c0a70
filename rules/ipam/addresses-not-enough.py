"""There is no way to give every pod that manifests ask for an address.

## What it finds
Workloads that together ask for more addresses than all that they may take hold: fixed addresses and lists (`cni.projectcalico.org/ipAddrs`, `ovn.kubernetes.io/ip_address`, `ip_pool`; a StatefulSet's pod takes
the entry of its ordinal), named pools, subnets of a namespace, pools that are for some nodes only, nodes' own networks. Taken addresses, gateways, excluded ranges and reserved pools are left
out. Whether an assignment exists is decided exactly; the finding names the workloads and the addresses that are in conflict, and nothing else.

## Why it matters
Some of these pods stay in ContainerCreating or Pending, whichever comes last.

## Example
    Deployment web: replicas: 3, ovn.kubernetes.io/ip_pool: "10.16.0.5,10.16.0.6"

## How to mend
Add addresses to the list, the pool or the subnet, or ask for fewer pods.

## Sources
kubeovn/kube-ovn pkg/controller/pod.go (acquireAddress), pkg/ipam; projectcalico/calico libcalico-go/lib/ipam/ipam.go (determinePools, AssignIP).
"""

from collections.abc import Iterator

from analyzer.query.ipam.choices import Impossible
from analyzer.query.ipam.questions import conflicts
from analyzer.rule import Finding, Network, Rule, Severity

SHOWN = 6


def check(network: Network) -> Iterator[Finding]:
    for found in conflicts(network):
        demands, resources = found.demands[:SHOWN], found.resources[:SHOWN]
        yield RULE.finding(
            found.demands[0].at,
            words(found),
            related=[
                *((item.at, f"{item.title} asks for {item.count}") for item in demands[1:]),
                *((item.at, f"{item.capacity} left: {item.title}") for item in resources),
            ],
            help="add addresses, or ask for fewer pods",
        )


def words(found: Impossible) -> str:
    """The conflict in one sentence."""
    names = ", ".join(item.title for item in found.demands[:SHOWN]) + (" and others" if len(found.demands) > SHOWN else "")
    verb = "ask" if len(found.demands) > 1 else "asks"
    if not found.resources:
        return f"{names} {verb} for an address, and there is none that it may take"
    more = " and others" if len(found.resources) > SHOWN else ""
    there = ", ".join(f"{item.capacity} of {item.title}" for item in found.resources[:SHOWN]) + more
    if all(len(option) == 1 for item in found.demands for option in item.options):
        return f"{names} {verb} for {found.wanted} addresses, and {found.there} are left: {there}"
    return f"{names} {verb} for {found.wanted} addresses in ways that exclude each other; left are {there}"


RULE = Rule("addresses-not-enough", Severity.ERROR, __doc__, check, follows=("fixed-address-refused",))
