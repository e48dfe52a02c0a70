"""The tunnel between a pod's namespace on a worker and the machine that it runs in leads elsewhere.

## What it finds
A pod whose interface on a worker is redirected (tc) into a VXLAN device, while its address is on another one in a captured machine: where the `remote` of either device is no address of the other's node, or their numbers
(VNI) or ports differ. Addresses that no captured node has are told as possible, as something between may translate them.

## Why it matters
Frames of the pod arrive nowhere, or at another machine, which drops them: the pod is created and reaches nothing.

## Example
    worker:  vxlan1 id 555005 remote 192.168.0.20        # and the machine with the pod is 192.168.0.19

## How to mend
Recreate the pod: the agents of the worker and of the machine set both ends up when it starts. A machine whose address changed (stop and start in the cloud) cannot be mended otherwise.

## Sources
confidential-containers/cloud-api-adaptor src/cloud-api-adaptor/pkg/podnetwork/tunneler/vxlan/workernode.go, podnode.go; drivers/net/vxlan/vxlan_core.c (vxlan_xmit_one, vxlan_rcv).
"""

from collections.abc import Iterator

from analyzer.query.tunnels import Vxlan, redirected_to
from analyzer.rule import Address, Finding, Interface, Network, Rule, Severity, Span


def check(network: Network) -> Iterator[Finding]:
    for address, holders in sorted(network.owners.items()):
        for front in holders:
            target = redirected_to(network.namespaces[front.scope], front.device) if front.scope.namespace else None
            if target is not None:
                for back in holders:
                    if back.scope.namespace and back.scope.node != front.scope.node:
                        yield from between(network, address, Interface(front.scope, target), back)


def between(network: Network, address: Address, worker: Interface, machine: Interface) -> Iterator[Finding]:
    """Both ends of one pod's tunnel."""
    ends = [(one, tunnel(network, one)) for one in (worker, machine)]
    (near, (near_at, near_kind)), (far, (far_at, far_kind)) = ends
    if near_kind is None or far_kind is None or near_at is None or far_at is None:
        return
    for one, at, kind, other in ((near, near_at, near_kind, far), (far, far_at, far_kind, near)):
        yield from astray(network, address, one, at, kind, other)
    for word, mine, others in (("VNI", near_kind.identifier, far_kind.identifier), ("port", near_kind.port, far_kind.port)):
        if mine is not None and others is not None and mine != others:
            words = (
                f"{near.device} in {near.scope} has {word} {mine}, and {far.device} in {far.scope}, where {address} is, {others}"
            )
            yield RULE.finding(near_at, words, related=[(far_at, "the other end")])


def tunnel(network: Network, end: Interface) -> tuple[Span | None, Vxlan | None]:
    """The place and settings of a VXLAN device that leads to one other."""
    link = network.namespaces[end.scope].links.get(end.device)
    match link.kind if link is not None else None:
        case Vxlan(external=False, remote=Address()) as kind:
            return (link.at if link is not None else None), kind
        case _:
            return None, None


def astray(network: Network, address: Address, one: Interface, at: Span, kind: Vxlan, other: Interface) -> Iterator[Finding]:
    """An end whose other end is not where it sends to."""
    own = held(network, other.scope.node)
    if own and kind.remote is not None and kind.remote not in own:
        stranger = sorted({end.scope.node for end in network.owners.get(kind.remote, ())})
        whose = f", which is {stranger[0]}" if stranger else ""
        words = f"{one.device} in {one.scope} sends to {kind.remote}{whose}, and the other end of the tunnel of {address} is on {other.scope.node}"
        yield RULE.finding(at, words, help=f"recreate the pod with the address {address}", certain=bool(stranger))


def held(network: Network, node: str) -> set[Address]:
    """The addresses of a node itself; none where these were not captured."""
    root = next((space for scope, space in network.namespaces.items() if scope.node == node and not scope.namespace), None)
    return {fact.address for fact in root.addresses} if root is not None and "ip-addr" not in root.missing else set()


RULE = Rule("pod-machine-tunnel-astray", Severity.ERROR, __doc__, check)
