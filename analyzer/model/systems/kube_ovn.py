"""Kube-OVN: subnets and the flags of its controller and daemon (kubeovn/kube-ovn pkg/controller/config.go, pkg/daemon/config.go)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model.cluster import Range, Setting
from analyzer.model.systems import Objects, System
from analyzer.model.systems.reading import mapping, prefixes, ranges_of, settings_of

NAME = "kube-ovn"
GROUP = "kubeovn.io"
VPC = "ovn-cluster"
FLAGS = {
    "--mtu": "mtu",
    "--network-type": "backend",
    "--iface": "interface",
    "--enable-lb": "service-proxy",
    "--pod-nic-type": "nic",
}
RANGES = {"--default-cidr": "pod", "--node-switch-cidr": "join", "--service-cluster-ip-range": "service"}


def ranges(objects: Objects) -> Iterator[Range]:
    """Subnets of the default VPC; those of other VPCs may use any addresses. The flags hold where there are no subnets yet."""
    subnets = [fact for fact in objects.others if fact.kind == "Subnet" and fact.api_version.startswith(GROUP)]
    for fact in subnets:
        spec = mapping(fact.document.get("spec"))
        if (
            spec.get("vpc") in (None, "", VPC)
            and spec.get("provider") in (None, "", "ovn")
            and isinstance(spec.get("cidrBlock"), str)
        ):
            purpose = "join" if fact.name == "join" else "pod"
            for item in prefixes(spec["cidrBlock"]):
                yield Range(purpose, item, fact.place("spec", "cidrBlock"), f"Subnet {fact.name}", NAME)
    for program in objects.programs:
        if not program.container.startswith(("kube-ovn", "cni-server")):
            continue
        for flag, purpose in RANGES.items():
            if purpose == "service" or not subnets:
                yield from ranges_of(purpose, program.flags.get(flag), f"{flag} of {program.title}", NAME)


def settings(objects: Objects) -> Iterator[Setting]:
    """The flags."""
    for program in objects.programs:
        if program.container.startswith(("kube-ovn", "cni-server")):
            found = ((key, program.flags.get(flag), f"{flag} of {program.title}") for flag, key in FLAGS.items())
            yield from settings_of(NAME, found)


SYSTEM = System(NAME, ranges, settings)
