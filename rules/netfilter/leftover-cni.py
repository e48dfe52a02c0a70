"""Devices and chains of a CNI that the node's configuration does not use.

## What it finds
Interfaces (`cilium_host`, `flannel.1`, `vxlan.calico`, `weave`, `kube-bridge` …) and chains (`CILIUM_`, `WEAVE-`, `FLANNEL-`) of a CNI that no plugin of the configuration which
the runtime takes belongs to.

## Why it matters
What a removed CNI left behind still routes, masquerades and drops: its tunnel may hold the UDP port, its routes win over the new ones, its chains reject.

## Example
    /etc/cni/net.d/10-calico.conflist         # and the node still has cilium_host and CILIUM_FORWARD

## How to mend
Remove the devices (`ip link delete`), chains and files of the old CNI, or reboot the node. Canal (Calico with flannel's network) and chained plugins are not reported.

## Sources
cilium/cilium#17292, #8990, kubernetes-retired/bootkube#698, kubernetes-sigs/kubespray#2122.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.query.state import roots
from analyzer.query.tables import rulesets
from analyzer.rule import Finding, Namespace, Network, Rule, Severity, Span


@dataclass(frozen=True, slots=True)
class Owner:
    """A CNI: its devices and chains by the beginning of their names, and the plugins that belong to it."""

    name: str
    devices: tuple[str, ...]
    chains: tuple[str, ...]
    plugins: frozenset[str]


OWNERS = (
    Owner("Cilium", ("cilium_",), ("CILIUM_",), frozenset({"cilium-cni"})),
    Owner("Calico", ("vxlan.calico", "wireguard.cali"), (), frozenset({"calico"})),
    Owner("flannel", ("flannel.", "flannel-v6."), ("FLANNEL-",), frozenset({"flannel"})),
    Owner("Weave", ("weave", "vethwe-", "vxlan-6784"), ("WEAVE-",), frozenset({"weave-net"})),
    Owner("kube-router", ("kube-bridge", "dummy-kube"), (), frozenset({"bridge"})),
    Owner("Antrea", ("antrea-gw0",), ("ANTREA-",), frozenset({"antrea"})),
    Owner("OVN-Kubernetes", ("ovn-k8s-mp",), ("OVN-KUBE-",), frozenset({"ovn-k8s-cni-overlay"})),
)
OWN = frozenset({"kindnet", "ptp", "host-device", "aws-cni", "azure-vnet", "gke", "terway", "kube-ovn", "romana"})
GENERIC = frozenset({"bridge"})
ANY = frozenset({"multus", "multus-shim", "genie", "danm"})


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        files = network.files.get(root.scope.node)
        winner = next((item for item in files.configs if not item.problem), None) if files else None
        used = types_of(winner.plugins) if winner is not None else frozenset()
        known = frozenset[str]().union(OWN, *(owner.plugins for owner in OWNERS)) - GENERIC
        if winner is None or not known & used or used & ANY:
            continue
        for owner in OWNERS:
            places = list(traces(root, owner)) if not owner.plugins & used else []
            if places and not (owner.name == "flannel" and "calico" in used and "host-local" in used):
                yield RULE.finding(
                    places[0][1],
                    f"{root.scope.node} uses {winner.name} ({winner.file}), and still has {places[0][0]} of {owner.name}",
                    related=[(winner.at, "the configuration that is used"), *((at, name) for name, at in places[1:4])],
                    help=f"remove what {owner.name} left behind, or reboot {root.scope.node}",
                    certain=False,
                )


def types_of(plugins: Sequence[Mapping[str, object]]) -> frozenset[str]:
    """The plugins of a configuration, with those for addresses and those that flannel delegates to."""
    inner = [item[key] for item in plugins for key in ("ipam", "delegate") if isinstance(item.get(key), Mapping)]
    return frozenset(str(item.get("type")) for item in [*plugins, *inner] if isinstance(item, Mapping))


def traces(root: Namespace, owner: Owner) -> Iterator[tuple[str, Span]]:
    """The devices and the filled chains of a CNI."""
    for name, link in sorted(root.links.items()):
        if name.startswith(owner.devices):
            yield name, link.at
    for ruleset in rulesets(root) if owner.chains else ():
        for table in ruleset.tables.values():
            for chain in table.values():
                if chain.name.startswith(owner.chains) and len(chain.rules):
                    yield chain.name, chain.at


RULE = Rule("leftover-cni", Severity.WARNING, __doc__, check)
