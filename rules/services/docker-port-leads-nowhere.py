"""A port that a container of Docker publishes leads nowhere, or to an address that the container does not have.

## What it finds
On a captured host with `docker inspect` (or `docker ps --format json` and `docker network inspect`): a running container publishes a port, and no rule of the host translates to the container's address and port, and no program listens on the
port in its place (docker-proxy, rootlesskit).

## Why it matters
Packets to the published port are refused, or reach another container that has the address now. The rules are gone when something flushed the nat table after dockerd had started (firewalld reloaded, `iptables -F`, rules of a file restored), and
stale when a container was given another address meanwhile.

## Example
    "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}, "IPAddress": "172.17.0.2"      # and nat has no DNAT to 172.17.0.2:80

## How to mend
Restart dockerd (`systemctl restart docker`), which writes its rules anew; have what flushes them leave Docker's chains alone.

## Sources
moby/moby libnetwork/drivers/bridge (port_mapping_linux.go, internal/iptabler: `setPerPortDNAT`), cmd/docker-proxy; docs.docker.com, "Packet filtering and firewalls".
"""

from collections.abc import Iterator

from analyzer.query.docker import DockerContainerFact, Led, PublishedPort, container_addresses, docker_containers, led
from analyzer.query.state import roots
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network) if network.docker else ():
        containers = [one for one in docker_containers(network, root) if one.running and one.published]
        if not containers or not {"netfilter/4", "nft"}.isdisjoint(root.missing):
            continue
        rules = led(root)
        if rules is not None:
            for container in containers:
                yield from misled(root, container, container_addresses(network, root, container), rules)


def misled(root: Namespace, container: DockerContainerFact, own: frozenset[Address], rules: list[Led]) -> Iterator[Finding]:
    """What a container publishes and nothing brings to it, each port once."""
    targets = {(rule.address, rule.port) for rule in rules}
    done: set[tuple[int, int]] = set()
    for one in container.published if own else ():
        brought = any((address, port) in targets for address in own for port in (one.target, None))
        if (
            (one.protocol, one.port) in done
            or brought
            or listens(root, one)
            or (one.address is not None and one.address.family == 6)
        ):
            continue
        done.add((one.protocol, one.port))
        words = ", ".join(map(str, sorted(own)))
        text = f"port {one.port} of {root.scope}, which {container.name} publishes, leads nowhere: no rule translates to {words} port {one.target}"
        yield RULE.finding(
            container.at,
            text + ("" if root.listeners is not None else ", and what listens was not captured"),
            help="systemctl restart docker",
            certain=root.listeners is not None and "netfilter-legacy" not in root.missing,
        )


def listens(root: Namespace, one: PublishedPort) -> bool:
    """Whether a program of the host listens on the port in the container's place."""
    return any(item.port == one.port and item.protocol == one.protocol for item in root.listeners or ())


RULE = Rule("docker-port-leads-nowhere", Severity.ERROR, __doc__, check)
