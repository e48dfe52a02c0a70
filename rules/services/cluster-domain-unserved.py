"""Pods ask for names of a cluster domain that CoreDNS does not serve.

## What it finds
A `clusterDomain` of the kubelet, a `dnsDomain` of kubeadm, or a search domain `….svc.…` of a pod's resolv.conf that is in none of the zones of the plugin `kubernetes` of CoreDNS' Corefile, and stands nowhere else in it. A
Corefile without that plugin. Where the Corefile imports other files, it is told as possible.

## Why it matters
Short names of services get the search domain, and CoreDNS asks others for them: no service is found by its name.

## Example
    kubernetes cluster.local in-addr.arpa ip6.arpa        # and the kubelets have clusterDomain: k8s.example

## How to mend
Write the same domain in the Corefile and in the kubelets' configuration; pods get it when they are made anew.

## Sources
CoreDNS plugin/kubernetes/README.md (ZONES); kubelet configuration v1beta1 (clusterDomain), pkg/kubelet/network/dns/dns.go (generateSearchesForDNSClusterFirst).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.query.systems.kubernetes import settings
from analyzer.query.workloads import Located, part_of_text
from analyzer.rule import Finding, Network, Rule, Severity, Span

ZONES = re.compile(r"^[ \t]*kubernetes(?:[ \t]+([^{}#\n]*?))?[ \t]*(?:\{|#|$)", re.MULTILINE)
IMPORT = re.compile(r"^[ \t]*import[ \t]", re.MULTILINE)
SEARCH = re.compile(r"(?:[\w-]+\.)?svc\.(.+?)\.?")
OPEN = re.compile(r"[{}$<>]|__")
NAMES = ("coredns", "dns-default", "rke2-coredns-rke2-coredns")


@dataclass(frozen=True, slots=True)
class Corefile:
    """A Corefile of the cluster's own DNS: its title, its text, and the zones of its plugin ``kubernetes``; None where it has none."""

    title: str
    text: Located
    zones: tuple[str, ...] | None

    def serves(self, domain: str) -> bool:
        """Whether a zone holds a domain, or the text speaks of it elsewhere. Without zones the plugin serves those of the block around it."""
        served = self.zones or (".",)
        return domain in self.text.value or any(
            zone == "." or f".{domain}".endswith(f".{zone}") or OPEN.search(zone) for zone in served
        )


def check(network: Network) -> Iterator[Finding]:
    files = list(corefiles(network))
    if not files:
        return
    if all(one.zones is None for one in files):
        one = files[0]
        yield RULE.finding(
            part_of_text(network, one.text, 0, len(one.text.value.split("\n", 1)[0])),
            f"{one.title} has no plugin kubernetes: CoreDNS knows no service",
            help="add kubernetes cluster.local in-addr.arpa ip6.arpa",
            certain=not IMPORT.search(one.text.value),
        )
        return
    told: set[str] = set()
    for domain, at, said_by in asked(network):
        if domain not in told and not any(one.serves(domain) for one in files):
            told.add(domain)
            yield unserved(network, domain, at, said_by, next(one for one in files if one.zones is not None))


def corefiles(network: Network) -> Iterator[Corefile]:
    """The Corefiles of the cluster's DNS; one that imports all that it has is none to judge by."""
    for (namespace, name), item in sorted(network.cluster.config_maps.items()):
        found = item.data.get("Corefile")
        if found is None or name not in NAMES:
            continue
        zones = [word.rstrip(".") or "." for plugin in ZONES.finditer(found.value) for word in (plugin[1] or "").split()]
        yield Corefile(f"ConfigMap {namespace}/{name}", found, tuple(zones) if ZONES.search(found.value) else None)


def asked(network: Network) -> Iterator[tuple[str, Span, str]]:
    """The domains that the kubelet is told and that pods search."""
    for item in settings(network, "kubernetes", "cluster-domain"):
        if not OPEN.search(item.value):
            yield item.value.rstrip("."), item.at, item.said_by
    for pod in network.attachments:
        inside = network.namespaces.get(pod.scope)
        dns_policy = pod.pod.dns_policy if pod.pod else ""
        if inside is None or inside.resolver is None or dns_policy in ("None", "Default"):
            continue
        for word in inside.resolver.search:
            if (found := SEARCH.fullmatch(word)) is not None:
                yield found[1], inside.resolver.at, f"resolv.conf of {pod.name}"


def unserved(network: Network, domain: str, at: Span, said_by: str, file: Corefile) -> Finding:
    """A domain that no zone holds."""
    plugin = ZONES.search(file.text.value)
    begin, words = (plugin.end() - len(plugin[0].lstrip()), plugin[0].strip(" \t{#")) if plugin else (0, "")
    place = part_of_text(network, file.text, begin, begin + len(words))
    zones = ", ".join(file.zones or ())
    return RULE.finding(
        at,
        f"{said_by} has the cluster domain {domain}, and {file.title} serves {zones}",
        related=[(place, f"serves {zones}")],
        help=f"write {domain} into the Corefile, or the domain that it serves into the kubelets' configuration",
        certain=not IMPORT.search(file.text.value),
    )


RULE = Rule("cluster-domain-unserved", Severity.ERROR, __doc__, check)
