"""An IP set of the network system lacks a node, a network of pods or a pool that it is to hold.

## What it finds
`kube-router-pod-subnets` without the pod network of a node, `kube-router-node-ips` and `cilium_node_set_v4` without another node's InternalIP, `ovn40subnets` without an overlay subnet of Kube-OVN's default VPC,
`cali40all-ipam-pools` and `cali40masq-ipam-pools` without a pool of Calico; those of IPv6 as well. A set without any member is not judged: what it is for may be off.

## Why it matters
The rules that use the set then masquerade packets that are to keep their source, or leave those alone that are to be masqueraded: policies and pods see another address, answers are lost.

## Example
    create kube-router-pod-subnets hash:net family inet ...
    add kube-router-pod-subnets 10.244.0.0/24 timeout 0        # and n2 has 10.244.1.0/24

## How to mend
Restart the system's agent on the node, and see in its log why it did not learn of the other.

## Sources
cloudnativelabs/kube-router pkg/controllers/routing; cilium/cilium pkg/node/manager; kubeovn/kube-ovn pkg/daemon/gateway_linux.go; projectcalico/calico felix/dataplane/linux/masq_mgr.go.
"""

from collections.abc import Iterator

from analyzer.query.address_sets import SETS, Known
from analyzer.query.plan import prefix
from analyzer.query.state import roots
from analyzer.rule import Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        if not root.gaps.get("ipset"):
            for name, known in SETS.items():
                if name in root.sets and root.sets[name].members:
                    yield from lacking(network, root, name, known)


def lacking(network: Network, root: Namespace, name: str, known: Known) -> Iterator[Finding]:
    """What the set does not hold."""
    fact = root.sets[name]
    held = [prefix(member.split(" ")[0]) for member in fact.members if "nomatch" not in member.split(" ")]
    if None in held:
        return
    networks = [found for found in held if found is not None]
    for one in known.members(network, root):
        if one.item.family == fact.family and not any(found.covers(one.item) for found in networks):
            yield RULE.finding(
                fact.at,
                f"{name} of {root.scope.node} lacks {one.item}, {one.whose}: {known.effect}",
                related=[(one.at, one.whose)],
                help=f"restart the network system's agent on {root.scope.node}",
            )


RULE = Rule("address-set-incomplete", Severity.ERROR, __doc__, check)
