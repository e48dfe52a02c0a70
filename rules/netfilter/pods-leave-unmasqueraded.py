"""What pods send to the outside leaves the node with the pod's own address.

## What it finds
A packet from a pod to an address outside that leaves its node with its source unchanged, while the pod's address is on no network of the nodes; with what of the network system's configuration makes it
so (an IPPool without `natOutgoing`, flanneld without `--ip-masq`). Where no node was captured, such pools by themselves, as a note, unless a BGPPeer tells routers of pods.

## Why it matters
Routers outside do not know the pod network: answers do not come back. Pods reach each other and the nodes, and nothing else (no image registries, no DNS upstream).

## Example
    kind: IPPool
    spec: {cidr: 10.244.0.0/16, natOutgoing: false}

## How to mend
`natOutgoing: true` in the IPPool, flannel's `--ip-masq`, or the `ipMasq` of the CNI's configuration. Where the routers of the network know the pods (BGP, a cloud's route table), all is well.

## Sources
projectcalico/calico#7183, #2252, k3s-io/k3s#4683, cilium/cilium#6320; projectcalico/calico api/pkg/apis/projectcalico/v3/ippool.go (natOutgoing is off unless it is set).
"""

from collections.abc import Iterator, Mapping

from analyzer.query.leaving import Origin, origins, to_outside, translation
from analyzer.query.plan import node_networks, prefix
from analyzer.query.state import roots
from analyzer.query.unmasqueraded import by_system, unrouted_pools
from analyzer.rule import Finding, Network, Rule, Severity, Span

ELSEWHERE = ("cilium_host", "ovs-system", "ovn-k8s-mp0", "eni", "azure0", "cbr0")


def check(network: Network) -> Iterator[Finding]:
    for said in unrouted_pools(network) if next(roots(network), None) is None else ():
        yield RULE.finding(
            said.at,
            f"{said.words}: packets of its pods leave for the outside with the pods' own addresses",
            note="fine where the routers outside know the pod network",
            help="set natOutgoing to true",
            certain=False,
            severity=Severity.NOTE,
        )
    networks = [item.prefix for item in node_networks(network)]
    for origin in origins(network):
        other_means = any(name.startswith(ELSEWHERE) for name in origin.root.links)
        if not other_means and not any(one.covers(origin.address) for one in networks):
            yield from unchanged(network, origin)


def unchanged(network: Network, origin: Origin) -> Iterator[Finding]:
    """Where the packet leaves as it came."""
    for packet, outcome in to_outside(network, origin):
        left = outcome.delivered_to == "outside" and translation(packet, outcome) is None and outcome.hops
        route = next((hop.at for hop in reversed(outcome.hops) if hop.stage == "route" and hop.at is not None), None)
        if left and route is not None:
            pool = wanted(network, origin)
            why = [(said.at, said.words) for said in by_system(network, origin.address)][:2]
            yield RULE.finding(
                route,
                f"packets of pods on {origin.root.scope.node} leave for the outside as {origin.address}: no rule masquerades them",
                related=[(pool, "this pool wants them to be masqueraded")] if pool is not None else why,
                note="" if pool is not None else "fine where the routers outside know the pod network",
                help="let the CNI masquerade (IPPool natOutgoing, flannel --ip-masq, ipMasq)",
                certain=pool is not None,
                severity=Severity.WARNING if pool is not None else Severity.NOTE,
            )
            return


def wanted(network: Network, origin: Origin) -> Span | None:
    """The pool that says that its pods are masqueraded."""
    for item in network.cluster.others:
        spec = item.document.get("spec")
        if item.kind == "IPPool" and isinstance(spec, Mapping) and spec.get("natOutgoing") is True:
            pool = prefix(str(spec.get("cidr")))
            if pool is not None and pool.covers(origin.address):
                return item.place("spec", "natOutgoing")
    return None


RULE = Rule("pods-leave-unmasqueraded", Severity.WARNING, __doc__, check)
