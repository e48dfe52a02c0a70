"""Addresses stay taken for pods that no longer exist.

## What it finds
Records of Calico's blocks, whereabouts' pools, Kube-OVN, Cilium and the AWS VPC CNI's agents that name a pod which was not captured although all pods were; one finding for each pool, with how many there are.
What is kept on purpose is left out: tunnels' addresses, reserved IPs, those of StatefulSets.

## Why it matters
Leaked addresses use the pool up: new pods stay in ContainerCreating.

## Example
    IPPool 10.10.0.0-16: allocations: {"7": {podref: shop/web-6d4}}          # and no pod web-6d4 in shop

## How to mend
Let the system clean up (`calicoctl ipam check --show-problem-ips`, whereabouts' reconciler, deleting the IP object), after looking that the pod is really gone.

## Sources
projectcalico/calico#3246, calicoctl ipam check; k8snetworkplumbingwg/whereabouts ip-control-loop; kubeovn/kube-ovn pkg/controller/gc.go.
"""

from collections.abc import Iterator

from analyzer.query.ipam.records import Record, records
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    if "Pod" not in network.cluster.known or not network.cluster.pods:
        return
    leaked: dict[str, list[Record]] = {}
    count: dict[str, int] = {}
    for item in records(network):
        count[pool(item)] = count.get(pool(item), 0) + 1
        if item.pod is not None and not item.kept and item.pod not in network.cluster.pods:
            leaked.setdefault(pool(item), []).append(item)
    for title, found in sorted(leaked.items()):
        first = found[0]
        name = "/".join(first.pod or ())
        yield RULE.finding(
            first.at,
            f"{title} holds {len(found)} of {count[title]} addresses for pods that are not there, the first is {first.address} of {name}",
            related=[(item.at, f"{item.address} of {'/'.join(item.pod or ())}") for item in found[1:4]],
            help="release the addresses after looking that the pods are gone",
            certain=False,
        )


def pool(item: Record) -> str:
    """What records are told together: those of a block or pool, and all of a VPC's, each of which is an object of its own."""
    return f"VPC {item.space.partition('/')[2]}" if item.space.startswith("kube-ovn/") else item.title


RULE = Rule("address-record-without-pod", Severity.WARNING, __doc__, check)
