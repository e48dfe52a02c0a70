"""MetalLB or kube-vip announces addresses by ARP while every node of an IPVS cluster answers for them.

## What it finds
kube-proxy in mode `ipvs` without `strictARP: true`, and MetalLB in layer 2 mode (an `L2Advertisement`, or an address pool of `protocol: layer2`) or kube-vip that
announces services by ARP, where no node is known to have
`arp_ignore` set. Where `strictARP` is set, nodes on which `arp_ignore` is 0 all the same, and whose `kube-ipvs0` has a load balancer's address.

## Why it matters
IPVS puts the addresses of load balancers on `kube-ipvs0` of every node, and Linux answers ARP for any address that it has: all nodes answer, and traffic goes to whichever was fastest.

## Example
    mode: ipvs
    ipvs: {strictARP: false}

## How to mend
`strictARP: true` in kube-proxy's configuration (it sets `arp_ignore=1` and `arp_announce=2`), and a restart of kube-proxy.

## Sources
MetalLB, Installation (Preparation); metallb/metallb#153, kube-vip pkg/kubevip (`vip_arp`, `svc_enable`, `--arp`, `--services`), kubernetes/kubernetes#59976; net/ipv4/arp.c (arp_ignore).
"""

import re
from collections.abc import Iterator, Mapping

from analyzer.query.state import roots
from analyzer.query.workloads import listed, mapping, pods_wanted
from analyzer.rule import Finding, Network, Rule, Severity, Span

MODE = re.compile(r"""^[^#\n]*?(?<![\w.])["']?mode["']?\s*:\s*["']?ipvs\b""", re.MULTILINE)
STRICT = re.compile(r"""^[^#\n]*?\bstrictARP["']?\s*:\s*["']?true\b""", re.MULTILINE)
KUBE_VIP = re.compile(r"(^|/)kube-vip(:|@|-|$)")
DUMMY = "kube-ipvs0"
IGNORED = "net.ipv4.conf.all.arp_ignore"


def check(network: Network) -> Iterator[Finding]:
    announcer = layer_two(network)
    if announcer is None:
        return
    found = list(configured(network, announcer))
    yield from found or answering(network, announcer)


def configured(network: Network, announcer: Span) -> Iterator[Finding]:
    """kube-proxy's configuration, where no node is known to do otherwise."""
    if any((root.sysctl(IGNORED) or "0") != "0" for root in roots(network)):
        return
    for (_, name), config in sorted(network.cluster.config_maps.items()):
        for located in config.data.values():
            if name.startswith("kube-proxy") and MODE.search(located.value) and not STRICT.search(located.value):
                yield RULE.finding(
                    located.at,
                    "kube-proxy runs in mode ipvs without strictARP, so every node answers ARP for the load balancers' addresses",
                    related=[(announcer, "announces addresses by ARP")],
                    help="set ipvs.strictARP: true in kube-proxy's configuration",
                )


def answering(network: Network, announcer: Span) -> Iterator[Finding]:
    """Nodes that answer for the addresses all the same. The larger of a device's own setting and that of all counts (``IN_DEV_MAXCONF``)."""
    shown = {address for service in network.cluster.services.values() for address in service.load_balancer_addresses}
    for root in roots(network):
        held = sorted(fact.address for fact in root.addresses if fact.device == DUMMY and fact.address in shown)
        fact = root.sysctls.get(IGNORED)
        own = any(key.endswith(".arp_ignore") and item.value != "0" for key, item in root.sysctls.items())
        if held and fact is not None and not own:
            yield RULE.finding(
                fact.at,
                f"{root.scope.node} answers ARP for {held[0]}, which is on its {DUMMY}: arp_ignore is 0, whatever kube-proxy's strictARP says",
                related=[(announcer, "announces addresses by ARP")],
                help=f"restart kube-proxy on {root.scope.node}, and find what sets arp_ignore back (/etc/sysctl.d)",
            )


def layer_two(network: Network) -> Span | None:
    """What makes MetalLB or kube-vip announce by ARP."""
    for item in network.cluster.others:
        if item.kind == "L2Advertisement":
            return item.at
    for workload in pods_wanted(network):
        for index, container in enumerate(map(mapping, listed(workload.spec.get("containers")))):
            if KUBE_VIP.search(str(container.get("image"))) and by_arp(container):
                return workload.place("containers", index)
    for (_, name), config in sorted(network.cluster.config_maps.items()):
        for located in config.data.values():
            if "metallb" in name + config.namespace and re.search(r"protocol:\s*layer2", located.value):
                return located.at
    return None


def by_arp(container: Mapping[str, object]) -> bool:
    """Whether kube-vip announces services by ARP (pkg/kubevip/config_environment.go: ``vip_arp``, ``svc_enable``; the flags ``--arp``, ``--services``)."""
    given = {str(item.get("name")): str(item.get("value")) for item in map(mapping, listed(container.get("env")))}
    words = [str(word) for key in ("command", "args") for word in listed(container.get(key))]
    flagged = {"--arp", "--services"} <= {word.removesuffix("=true") for word in words}
    return flagged or all(given.get(name) == "true" for name in ("vip_arp", "svc_enable"))


RULE = Rule("strict-arp-off", Severity.WARNING, __doc__, check)
