"""NetworkPolicies as OVN-Kubernetes enforces them: port groups, address sets and ACLs of the northbound database, which OVN turns into flows.

After go-controller/pkg/ovn/{gress_policy,base_network_controller_policy,acl}.go of OVN-Kubernetes: what no policy admits is dropped at priority 1000, ARP and neighbour discovery pass,
rules admit at 1001 with their connections; egress is asked after load balancers. Every port of a protocol passes where a rule names its port (``portPolicy.getL4Match``), so
that the lab's policies have numbers only. The rules are compiled by the API's text (tests/lab/policies.py) and share nothing with the analyzer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.lab.ovn import HAIRPIN
from tests.lab.plan import Pod
from tests.lab.policies import Document, peers_of, selects, version

if TYPE_CHECKING:
    from tests.lab.build import Lab

ALLOW, DEFAULT = 1001, 1000
SIDES = {"Ingress": ("to-lport", "outport", "src", "from"), "Egress": ("--apply-after-lb from-lport", "inport", "dst", "to")}
SYNCED = "ovn-nbctl --timeout=30 --wait=hv sync"


def install(lab: Lab) -> None:
    """Writes the policies of the lab in place of those that were there, and waits until the switches follow."""
    script = [
        "for kind in Port_Group Address_Set; do for one in $(ovn-nbctl --bare --columns=_uuid list $kind); do ovn-nbctl destroy $kind $one; done; done"
    ]
    lines = [*hairpin(lab), *isolated(lab), *(line for item in lab.policies for line in policy(lab, item))]
    script += [f"ovn-nbctl {line} >/dev/null" for line in lines]
    lab.run(lab.nodes[0].name, "\n".join([*script, SYNCED]))


def hairpin(lab: Lab) -> Iterator[str]:
    """What a pod sends to itself by a service passes."""
    yield group("clusterPortGroup", lab.pods)
    for address in HAIRPIN:
        match = f"ip{version(address)}.src == {address}"
        yield from (acl("clusterPortGroup", way, ALLOW, match, "allow-related") for way, *_ in SIDES.values())


def isolated(lab: Lab) -> Iterator[str]:
    """The groups of pods that policies isolate in a direction: what nothing admits is dropped."""
    for kind, (way, port, _, _) in SIDES.items():
        chosen = [item for item in lab.policies if kind in item["spec"]["policyTypes"]]
        if pods := [pod for pod in lab.pods if any(selects(item, pod) for item in chosen)]:
            name = f"default_{kind.lower()}DefaultDeny"
            yield group(name, pods)
            yield acl(name, way, DEFAULT, f"{port} == @{name}", "drop")
            yield acl(name, way, ALLOW, f"{port} == @{name} && (arp || nd)", "allow")


def policy(lab: Lab, item: Document) -> Iterator[str]:
    """The group of a policy's pods, and what its rules admit."""
    name = hashed(f"{item['metadata']['namespace']}:{item['metadata']['name']}")
    yield group(name, [pod for pod in lab.pods if selects(item, pod)])
    for kind, (way, port, side, key) in SIDES.items():
        given = (
            item["spec"].get("ingress" if kind == "Ingress" else "egress") or [] if kind in item["spec"]["policyTypes"] else []
        )
        for number, rule in enumerate(given):
            sets, matches = peers(lab, item, rule.get(key), side, hashed(f"{name} {kind} {number}"))
            yield from sets
            for ends in matches:
                yield from (
                    acl(
                        name,
                        way,
                        ALLOW,
                        " && ".join(part for part in (ends, ports, f"{port} == @{name}") if part),
                        "allow-related",
                    )
                    for ports in protocols(rule.get("ports"))
                )


def peers(lab: Lab, item: Document, given: list[Document] | None, side: str, name: str) -> tuple[list[str], list[str]]:
    """The address sets of a rule's peers, and the matches that name them: one for all pods, one for each block."""
    if not given:
        return [], ["(ip4 || ip6)"]
    matches = [block(peer["ipBlock"], side) for peer in given if "ipBlock" in peer]
    if not (selectors := [peer for peer in given if "ipBlock" not in peer]):
        return [], matches
    addresses = sorted({address for peer in selectors for pod in peers_of(lab, item, peer) for address in pod.addresses})
    sets = [
        f"create address_set name={name}_v{family} addresses='{' '.join(quoted(one) for one in addresses if version(one) == family)}'"
        for family in (4, 6)
    ]
    return sets, [f"(ip4.{side} == {{${name}_v4}} || ip6.{side} == {{${name}_v6}})", *matches]


def block(given: Document, side: str) -> str:
    """The match of a block and its exceptions."""
    kind = f"ip{version(given['cidr'].partition('/')[0])}.{side}"
    holes = ", ".join(given.get("except") or [])
    return f"{kind} == {given['cidr']} && {kind} != {{{holes}}}" if holes else f"{kind} == {given['cidr']}"


def protocols(given: list[Document] | None) -> Iterator[str]:
    """The match of each port."""
    if not given:
        yield ""
    for item in given or []:
        low, port = item.get("protocol", "TCP").lower(), item.get("port")
        if "endPort" in item:
            yield f"{low} && {port}<={low}.dst<={item['endPort']}"
        else:
            yield low if port is None else f"{low} && {low}.dst=={port}"


def group(name: str, pods: list[Pod]) -> str:
    """The command that makes a group of ports."""
    return " ".join([f"pg-add {name}", *(f"{pod.namespace}_{pod.name}" for pod in pods)])


def acl(name: str, way: str, priority: int, match: str, action: str) -> str:
    """The command that adds a rule to a group."""
    option, _, direction = way.rpartition(" ")
    return f"{option} --type=port-group acl-add {name} {direction} {priority} '{match}' {action}".strip()


def quoted(address: str) -> str:
    """An address as a value of a set."""
    return f'"{address}"'


def hashed(text: str) -> str:
    """A name as OVN-Kubernetes hashes it: ``a`` and a number."""
    return f"a{int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], 'big')}"
