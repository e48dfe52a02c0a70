"""Kube-router: its flags (cloudnativelabs/kube-router pkg/options/options.go)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model.cluster import Range, Setting
from analyzer.model.systems import Objects, System
from analyzer.model.systems.reading import ranges_of, settings_of

NAME = "kube-router"
RANGES = {"--service-cluster-ip-range": "service", "--loadbalancer-ip-range": "balancer"}
FLAGS = {
    "--run-router": "router",
    "--run-firewall": "policies",
    "--run-service-proxy": "service-proxy",
    "--enable-overlay": "overlay",
    "--overlay-type": "overlay-type",
    "--overlay-encap": "backend",
    "--overlay-encap-port": "port",
    "--cluster-asn": "as-number",
    "--nodes-full-mesh": "mesh",
    "--peer-router-ips": "peers",
    "--bgp-port": "bgp-port",
    "--auto-mtu": "auto-mtu",
}


def ranges(objects: Objects) -> Iterator[Range]:
    """What it takes for the services' and load balancers' networks."""
    for program in objects.programs:
        if program.container == NAME:
            for flag, purpose in RANGES.items():
                yield from ranges_of(purpose, program.flags.get(flag), f"{flag} of {program.title}", NAME)


def settings(objects: Objects) -> Iterator[Setting]:
    """The flags."""
    for program in objects.programs:
        if program.container == NAME:
            found = ((key, program.flags.get(flag), f"{flag} of {program.title}") for flag, key in FLAGS.items())
            yield from settings_of(NAME, found)


SYSTEM = System(NAME, ranges, settings)
