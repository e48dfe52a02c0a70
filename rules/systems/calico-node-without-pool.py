"""A node has no Calico pool that its pods could get addresses of; or a pool is in use that is not for new pods.

## What it finds
Nodes for which no enabled pool with the use Workload of a family is, by `nodeSelector`, while another node has one; clusters whose pools are all disabled; pods with addresses in a disabled pool; pools with fewer blocks than
there are nodes; and nodes that may have fewer addresses (`maxBlocksPerHost` blocks) than the kubelet may start pods.

## Why it matters
Pods of that node stay in ContainerCreating: "no configured Calico pools". Addresses of a disabled pool go on working until the pool is deleted, which cuts those pods off. Nodes without a block of their own borrow addresses one by one, which costs a route on every node, or get none with `strictAffinity`.

## Example
    nodeSelector: zone == "a"          # and node n3 has zone: c

## How to mend
Add a pool for the node, or widen the selector; restart the pods of a disabled pool before deleting it.

## Sources
projectcalico/calico libcalico-go/lib/ipam/ipam.go (determinePools, SelectsNode).
"""

from collections.abc import Iterator

from analyzer.query.plan import running_pods
from analyzer.query.refusals import objects, spec_of
from analyzer.query.systems.calico import GROUP, Pool, pools
from analyzer.rule import Finding, Network, Rule, Severity

USUAL_PODS = 110


def check(network: Network) -> Iterator[Finding]:
    every = list(pools(network))
    usable = [item for item in every if item.for_pods]
    if every and not usable and all(item.disabled or "Workload" in item.uses for item in every):
        yield RULE.finding(every[0].fact.place("spec"), "no pool gives addresses to pods: all are disabled or manual")
    for family in (4, 6):
        yield from left_out(network, [item for item in usable if item.prefix.family == family], family)
    yield from in_use(network, every)
    yield from few_blocks(network, usable)


def left_out(network: Network, usable: list[Pool], family: int) -> Iterator[Finding]:
    """Nodes that no pool of a family is for."""
    for name, node in sorted(network.cluster.nodes.items()):
        if usable and all(item.serves(node) is False for item in usable):
            yield RULE.finding(
                node.place("metadata", "labels"),
                f"no pool of IPv{family} is for node {name}: its pods get no address",
                related=[
                    (item.fact.place("spec", "nodeSelector"), f"{item.prefix} is for nodes with {item.selector}")
                    for item in usable[:3]
                ],
                help="add a pool for the node, or widen a selector",
            )


def in_use(network: Network, every: list[Pool]) -> Iterator[Finding]:
    """Disabled pools with pods."""
    for item in every:
        held = [pod for pod in running_pods(network) if any(item.prefix.covers(address) for address in pod.addresses)]
        if item.disabled and held:
            yield RULE.finding(
                item.fact.place("spec", "disabled"),
                f"IPPool {item.fact.name} is disabled, and {len(held)} pods have addresses of it, the first is {held[0].namespace}/{held[0].name}",
                help="restart these pods before the pool is deleted",
                severity=Severity.NOTE,
            )


def few_blocks(network: Network, usable: list[Pool]) -> Iterator[Finding]:
    """Too few blocks for all nodes, and too few addresses for a node."""
    nodes = len(network.cluster.nodes)
    limits = [(fact, spec_of(fact)) for kind in ("IPAMConfig", "IPAMConfiguration") for fact in objects(network, kind, GROUP)]
    strict = any(spec.get("strictAffinity") is True for _, spec in limits)
    for family in (4, 6):
        mine = [item for item in usable if item.prefix.family == family]
        blocks = sum(1 << max(item.block - item.prefix.length, 0) for item in mine)
        if mine and blocks < nodes:
            yield RULE.finding(
                mine[0].fact.place("spec", "cidr"),
                f"the pools of IPv{family} have {blocks} blocks, and there are {nodes} nodes: some have none of their own",
                help="use a smaller block size in a new pool",
                severity=None if strict else Severity.WARNING,
            )
    four = [item for item in usable if item.prefix.family == 4]
    for fact, spec in limits if four else ():
        most = spec.get("maxBlocksPerHost")
        size = max(1 << (32 - item.block) for item in four)
        if isinstance(most, int) and not isinstance(most, bool) and most > 0 and most * size < USUAL_PODS:
            yield RULE.finding(
                fact.place("spec", "maxBlocksPerHost"),
                f"a node has at most {most} blocks of {size} addresses, and the kubelet may start {USUAL_PODS} pods",
                severity=Severity.WARNING,
            )


RULE = Rule("calico-node-without-pool", Severity.ERROR, __doc__, check)
