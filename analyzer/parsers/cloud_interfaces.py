"""Network interfaces of virtual machines, as clouds list them in JSON: whether the cloud's network takes packets there that are not for or from the machine itself.

``aws ec2 describe-network-interfaces`` and ``describe-instances`` (SourceDestCheck, and the prefixes that are delegated to an interface), and Neutron's ports,
``openstack port show -f json`` (port_security_enabled, allowed_address_pairs); ``az network nic list/show`` (enableIPForwarding), and ``gcloud compute
instances list/describe`` (canIpForward, and the alias ranges of an interface). The fields are those of the EC2, the Networking, the Azure REST and the
Compute API references.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import Address, Prefix, address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.clouds import CloudInterfaceFact
from analyzer.parsers import UNREADABLE, Parser, reason
from analyzer.parsers._json_documents import documents
from analyzer.source import Gap, Source, Span

Path = tuple[str | int, ...]
LISTS = ("NetworkInterfaces", "Reservations", "Instances", "ports")
CHECK, SECURITY = "SourceDestCheck", "port_security_enabled"
FORWARDS = ("enableIPForwarding", "enableIpForwarding", "canIpForward")
ADDRESSES = ("privateIPAddress", "privateIpAddress")


def read(source: Source) -> Iterator[Fact | Gap]:
    """The interfaces, in order."""
    for document in documents(source):
        if isinstance(document, Gap):
            yield document
            continue
        if not isinstance(document.value, list) and not (
            isinstance(document.value, dict) and {*LISTS, CHECK, SECURITY, *FORWARDS} & document.value.keys()
        ):
            yield Gap(document.places[()], "expected network interfaces, machines or ports of a cloud", source.kind, source.scope)
            continue
        for path, item in interfaces(document.value, ()):
            key = next((key for key in (SECURITY, CHECK, *FORWARDS) if key in item), CHECK)
            at = document.places.get((*path, key)) or document.places[path]
            try:
                yield interface(source, item, at)
            except UNREADABLE as problem:
                yield Gap(at, f"no network interface: {reason(problem)}", source.kind, source.scope)


def interfaces(value: object, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The interfaces below a value, with their paths."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from interfaces(item, (*path, index))
    elif isinstance(value, dict) and (
        "NetworkInterfaceId" in value or SECURITY in value or any(key in value for key in FORWARDS)
    ):
        yield path, value
    elif isinstance(value, dict):
        for key in LISTS:
            yield from interfaces(value.get(key), (*path, key))


def interface(source: Source, item: Mapping[str, Any], at: Span) -> CloudInterfaceFact:
    """One interface; LookupError, ValueError or TypeError where it is none."""
    forwards = next((item[key] for key in FORWARDS if key in item), None)
    if forwards is not None:
        own, passed = forwarding(item)
        checked, name = not forwards if isinstance(forwards, bool) else forwards, item["name"]
    elif SECURITY in item:
        pairs = [one["ip_address"] for one in item.get("allowed_address_pairs") or ()]
        own, passed, checked, name = [one["ip_address"] for one in item["fixed_ips"]], pairs, item[SECURITY], item["id"]
    else:
        own = [one["PrivateIpAddress"] for one in item.get("PrivateIpAddresses") or ()]
        own += [one["Ipv6Address"] for one in item.get("Ipv6Addresses") or ()]
        passed = [one["Ipv4Prefix"] for one in item.get("Ipv4Prefixes") or ()]
        passed += [one["Ipv6Prefix"] for one in item.get("Ipv6Prefixes") or ()]
        checked, name = item[CHECK], item["NetworkInterfaceId"]
    if not isinstance(checked, bool):
        raise ValueError(f"{checked!r} is neither true nor false")
    held: tuple[Address, ...] = tuple(address(text) for text in own if "/" not in text)
    networks: tuple[Prefix, ...] = tuple(map(prefix, passed))
    return CloudInterfaceFact(at=at, scope=source.scope, name=str(name), addresses=held, passed=networks, checked=checked)


def forwarding(item: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The addresses of an interface of Azure's, or of all those of a machine of Google's; and the ranges that the network knows to be there."""
    configured = [one.get("properties", one) for one in item.get("ipConfigurations") or ()]
    own = [one[key] for one in configured for key in ADDRESSES if one.get(key)]
    ranges: list[str] = []
    for one in item.get("networkInterfaces") or ():
        own += [one[key] for key in ("networkIP", "ipv6Address") if one.get(key)]
        ranges += [alias["ipCidrRange"] for alias in one.get("aliasIpRanges") or ()]
    return own, [*ranges, *(text for text in own if "/" in text)]


PARSER = Parser(
    kind="cloud-interfaces",
    read=read,
    names=(
        r"aws_ec2_describe-(network-interfaces|instances)(_-\S+)*(\.json)?",
        r"openstack_port_(show|list)(_\S+)*(\.json)?",
        r"az_network_nic_(show|list)(_-\S+)*(\.json)?",
        r"gcloud_compute_instances_(list|describe)(_\S+)*(\.json)?",
    ),
    per="cluster",
)
