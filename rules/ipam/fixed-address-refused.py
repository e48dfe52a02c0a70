"""A fixed address cannot be given: it is none, or not one of the pod's network.

## What it finds
Annotations `cni.projectcalico.org/ipAddrs`, `ipv4pools`, `ovn.kubernetes.io/ip_address`, `ip_pool` and `logical_switch` that cannot be read, that name addresses outside every enabled pool or outside the
subnet of the pod's namespace, the network's first, last or gateway address, or pools and subnets that do not exist. Beside them `ovn.kubernetes.io/mac_address`, `ingress_rate` and `egress_rate` that are none.

## Why it matters
The pod stays in ContainerCreating or Pending: address management refuses the request.

## Example
    cni.projectcalico.org/ipAddrs: '["10.9.0.5"]'          # pools: 192.168.0.0/16

## How to mend
Ask for an address of the pod's pool or subnet.

## Sources
projectcalico/calico cni-plugin/pkg/k8s/k8s.go (validateAndExtractIPs), libcalico-go/lib/ipam (AssignIP); kubeovn/kube-ovn pkg/util/validator.go (ValidatePodNetwork).
"""

from collections.abc import Iterator

from analyzer.query.ipam.fixed import fixed_refusals
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in fixed_refusals(network):
        yield RULE.finding(one.at, one.message, help="ask for an address of the pod's own pool or subnet")


RULE = Rule("fixed-address-refused", Severity.ERROR, __doc__, check)
