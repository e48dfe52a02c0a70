"""Frames between pods of one bridge do not pass iptables, so replies of services come back untranslated.

## What it finds
`net.bridge.bridge-nf-call-iptables = 0` on a node whose pods hang on a bridge and whose services are made by iptables or ipvs; or the switch is
not there at all (br_netfilter not loaded) although the node's other switches were captured. `bridge-nf-call-ip6tables` likewise where pods have IPv6 addresses.

## Why it matters
A pod asks a service, the answer comes from a pod on the same bridge and is bridged straight back, past the translation that would restore the
service's address. The asking pod drops it ("reply from unexpected source"); DNS fails only where client and server share a node.

## Example
    net.bridge.bridge-nf-call-iptables = 0

## How to mend
`modprobe br_netfilter`, `sysctl -w net.bridge.bridge-nf-call-iptables=1`, both made permanent.

## Sources
br_nf_pre_routing (net/bridge/br_netfilter_hooks.c); kubernetes/kubernetes#21613, #20475, cloudnativelabs/kube-router#151.
"""

from collections.abc import Iterator

from analyzer.query.pod_devices import PodDevice, families, pod_devices
from analyzer.query.state import roots
from analyzer.query.tables import chain
from analyzer.query.tunnels import Bridge
from analyzer.rule import Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        devices = pod_devices(network, root)
        for bridge in (one for one in devices.values() if not one.end):
            ends = [one for one in devices.values() if one.bridge == bridge.name]
            for family, key in ((4, "net.bridge.bridge-nf-call-iptables"), (6, "net.bridge.bridge-nf-call-ip6tables")):
                if family in (families(network, root, devices) or {4}) and translated(root, family):
                    yield from findings(root, bridge, ends, key)


def translated(root: Namespace, family: int) -> bool:
    """Whether iptables translates service addresses on the node."""
    return any(len(found.rules) for _, found in chain(root, "nat", "KUBE-SERVICES", family))


def findings(root: Namespace, bridge: PodDevice, ends: list[PodDevice], key: str) -> Iterator[Finding]:
    link, node = root.links.get(bridge.name), root.scope.node
    if link is not None and isinstance(link.kind, Bridge) and link.kind.nf_call_iptables:
        return
    fact = root.sysctls.get(key)
    text = f"replies of services between pods on {bridge.name} of {node} are not translated back"
    remedy = f"on {node}: modprobe br_netfilter && sysctl -w {key}=1"
    if fact is not None and fact.value == "0":
        bridges = f"bridges {len(ends)} pod{'s' * (len(ends) > 1)}" if ends else "is the pods' bridge"
        yield RULE.finding(
            fact.at,
            f"{text}: {key} = 0",
            related=[(bridge.at, f"{bridge.name} {bridges}")],
            help=remedy,
        )
    elif fact is None and len(root.sysctls) > 1 and "sysctl" not in root.missing:
        yield RULE.finding(
            bridge.at, f"{text}: {key} is not there, so br_netfilter seems not to be loaded", help=remedy, certain=False
        )


RULE = Rule("bridge-skips-iptables", Severity.ERROR, __doc__, check)
