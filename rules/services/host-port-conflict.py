"""Two pods of one node ask for the same host port, or a rule for a host port leads to a pod that is gone.

## What it finds
Pods on one node with the same hostPort, protocol and hostIP; and rules of CNI-HOSTPORT-DNAT for one port that lead to several chains, or to an address that no pod has.

## Why it matters
The first rule wins: the others' traffic goes to the wrong pod, or to one that no longer exists.

## Example
    -A CNI-HOSTPORT-DNAT -p tcp … -m multiport --dports 8081 -j CNI-DN-aaa        # 10.244.0.9, gone
    -A CNI-HOSTPORT-DNAT -p tcp … -m multiport --dports 8081 -j CNI-DN-bbb

## How to mend
Delete the stale chain and its rule; give the pods different host ports.

## Sources
containernetworking/plugins#275, #683, rancher/rke#3440, projectcalico/calico#3412.
"""

from collections.abc import Iterator

from analyzer.query.state import pods_by_name, roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    yield from objects(network)
    if network.namespaces:
        yield from leading_nowhere(network)


def leading_nowhere(network: Network) -> Iterator[Finding]:
    """Rules on nodes for the port of a pod that is not there; what reads them is imported where there are any."""
    from analyzer.query.host_ports import leads

    pods = {address for pod in network.attachments for address in pod.addresses}
    told = {address for pod in pods_by_name(network) if not pod.finished for address in pod.addresses}
    for root in roots(network) if pods | told else ():
        for at, inner, target, help in leads(root):
            if target not in pods | told:
                yield RULE.finding(
                    at,
                    f"a host port of {root.scope.node} leads to {target}, which no pod has",
                    related=[(inner, "the translation")] if inner != at else [],
                    help=help,
                    certain=bool(pods),
                )


def objects(network: Network) -> Iterator[Finding]:
    """Pods that ask for the same port."""
    taken: dict[tuple[object, ...], str] = {}
    for pod in pods_by_name(network):
        if pod.finished or pod.host_network:
            continue
        for port in pod.ports:
            if not port.host_port or not pod.node:
                continue
            slot = (pod.node, port.protocol, port.host_port, port.host_address)
            if slot in taken:
                yield RULE.finding(
                    port.at,
                    f"{pod.namespace}/{pod.name} and {taken[slot]} both ask for host port {port.host_port} on {pod.node}",
                    help="give them different host ports",
                )
            else:
                taken[slot] = f"{pod.namespace}/{pod.name}"


RULE = Rule("host-port-conflict", Severity.ERROR, __doc__, check)
