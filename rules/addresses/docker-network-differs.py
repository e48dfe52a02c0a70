"""A network of Docker is not on its host as Docker has recorded it.

## What it finds
On a captured host with `docker network inspect`: a network of the driver `bridge` whose bridge is not there, is down although containers are in it, or lacks the gateway's address; a container's MAC behind no port of the bridge; and two networks that
share addresses.

## Why it matters
Containers in the network have a gateway that nobody answers for, or no way to it; of two networks with the same addresses, the host reaches one.

## Example
    "Name": "shop", "Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"          # and br-1f2e3d4c5b6a has no address

## How to mend
Remove and make the network anew (`docker network rm`, `docker network create`), or restart dockerd, which gives its bridges their addresses; look for what takes addresses away (network managers, a second dockerd).

## Sources
moby/moby libnetwork/drivers/bridge (setup_device.go, setup_ipv4_linux.go), api/types/network.
"""

from collections.abc import Iterator
from itertools import combinations

from analyzer.query.docker import DockerNetworkFact, docker_networks
from analyzer.rule import Finding, Namespace, Network, Rule, Severity, hardware_text


def check(network: Network) -> Iterator[Finding]:
    for root, facts in docker_networks(network):
        for fact in facts:
            if fact.device and "ip-addr" not in root.missing:
                yield from on_the_host(root, fact)
        yield from alike(root, facts)


def on_the_host(root: Namespace, fact: DockerNetworkFact) -> Iterator[Finding]:
    """What the bridge of a network lacks."""
    link = root.links.get(fact.device)
    if link is None:
        yield RULE.finding(fact.at, f"{root.scope} has no bridge {fact.device}, which is that of the network {fact.name}")
        return
    if not link.up and fact.endpoints:
        yield RULE.finding(
            link.at, f"{fact.device}, the bridge of the network {fact.name}, is down", related=[(fact.at, "the network")]
        )
    held = {item.address for item in root.addresses if item.device == fact.device}
    for subnet, gateway in fact.subnets:
        if gateway is not None and gateway not in held and not fact.internal:
            text = f"{fact.device} does not have {gateway}, the gateway of {subnet} in the network {fact.name}"
            yield RULE.finding(link.at, text, related=[(fact.at, "the network")])
    yield from unheard(root, fact)


def unheard(root: Namespace, fact: DockerNetworkFact) -> Iterator[Finding]:
    """Containers whose MAC another port than one of the bridge was heard at."""
    ports = {name for name, port in root.ports.items() if port.master == fact.device}
    for end in fact.endpoints:
        elsewhere = [item for item in root.forwarding if item.mac == end.mac and item.device not in ports and not item.own]
        here = any(item.mac == end.mac and item.device in ports for item in root.forwarding)
        if end.mac is not None and elsewhere and not here:
            text = f"{hardware_text(end.mac)} of the container {end.name} was heard at {elsewhere[0].device}, which is no port of {fact.device}"
            yield RULE.finding(elsewhere[0].at, text, related=[(end.at, "the container")], certain=False)


def alike(root: Namespace, facts: list[DockerNetworkFact]) -> Iterator[Finding]:
    """Networks of one host that share addresses. Those of several hosts (overlay) and of the host's own (macvlan, ipvlan) may be made so."""
    bridges = [(fact, subnet) for fact in facts if fact.device for subnet, _ in fact.subnets]
    for (one, first), (two, second) in combinations(bridges, 2):
        if one.identifier != two.identifier and first.overlaps(second):
            text = f"the network {two.name} on {root.scope} has {second}, which shares addresses with {first} of {one.name}"
            yield RULE.finding(two.at, text, related=[(one.at, "the other network")])


RULE = Rule("docker-network-differs", Severity.ERROR, __doc__, check)
