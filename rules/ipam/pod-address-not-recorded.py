"""A pod has an address that address management holds for free, or for another pod.

## What it finds
Running pods whose address lies in a captured block of Calico that has no record for it or one for another pod; and pods whose address lies in a subnet of Kube-OVN of which IPs were captured, without one.

## Why it matters
The next pod can get the same address.

## Example
    pod shop/web: 192.168.82.9          IPAMBlock 192.168.82.0/26: allocations[9] is null

## How to mend
Restart the pod, which gives it a recorded address.

## Sources
projectcalico/calico#3589, #6243; calicoctl ipam check ("in-use but not allocated"); kubeovn/kube-ovn pkg/controller/pod.go.
"""

from collections.abc import Iterator

from analyzer.query.ipam.records import Record, blocks, covering, lengths_of, records
from analyzer.query.plan import address_place, running_pods
from analyzer.query.systems.kube_ovn import DEFAULT_VPC, subnets
from analyzer.rule import Address, Finding, Network, Prefix, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    known = {item.address: item for item in records(network) if item.space in ("calico", f"kube-ovn/{DEFAULT_VPC}")}
    covered = dict(spaces(network, known))
    lengths = lengths_of(covered)
    for pod in running_pods(network):
        for index, address in enumerate(pod.addresses):
            title = covering(covered, lengths, address)
            record = known.get(address)
            if not title or (record is not None and record.pod in (None, (pod.namespace, pod.name))):
                continue
            other = f"records it for {'/'.join(record.pod or ())}" if record is not None else "has it as free"
            yield RULE.finding(
                address_place(pod, index),
                f"pod {pod.namespace}/{pod.name} has {address}, and {title} {other}",
                related=[(record.at, record.title)] if record is not None else [],
                help="restart the pod",
                certain=record is not None,
            )


def spaces(network: Network, known: dict[Address, Record]) -> Iterator[tuple[Prefix, str]]:
    """The networks whose records were captured."""
    for block in blocks(network):
        yield block.prefix, f"IPAMBlock {block.prefix}"
    for subnet in subnets(network):
        for prefix in subnet.networks:
            if subnet.vpc == DEFAULT_VPC and any(prefix.covers(address) for address in known):
                yield prefix, f"subnet {subnet.fact.name}"


RULE = Rule("pod-address-not-recorded", Severity.ERROR, __doc__, check)
