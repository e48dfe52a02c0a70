"""The AWS VPC CNI's node agent: what it tells under ``/v1/enis`` and its checkpoint ``ipam.json`` (aws/amazon-vpc-cni-k8s pkg/ipamd/datastore: ``ENIInfos``, ``CheckpointData``).

An address is given where its key is not empty (``AddressInfo.Assigned``); all others are free, or cool down. With several network cards the answer is one of these for each card.
Older agents have ``IPv4Addresses`` in the place of ``AvailableIPv4Cidrs`` (of an interface) or of ``IPAddresses`` (of a block).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import address
from analyzer.facts.amazon import AmazonAddressFact
from analyzer.facts.base import Fact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._columns import Finder
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source

Item = Mapping[str, Any]


def read(source: Source) -> Iterator[Fact | Gap]:
    """The addresses that are given, in the order of the text; one that is not understood is a gap."""
    refuse_errors(source.text.strip().partition("\n")[0])
    finder = Finder(source)
    for text, interface, key, metadata in entries(json.loads(source.text)):
        at = finder.span(f'"{text}"')
        try:
            container = str(key.get("containerID") or "")
            if container or key.get("networkName"):
                name = metadata.get("k8sPodName")
                pod = f"{metadata.get('k8sPodNamespace')}/{name}" if name else ""
                yield AmazonAddressFact(
                    at=at, scope=source.scope, address=address(text), container=container, interface=interface, pod=pod
                )
        except UNREADABLE as problem:
            yield gap(source, at.line, reason(problem))


def entries(document: Item) -> Iterator[tuple[str, str, Item, Item]]:
    """Each address with the interface that has it, the key that it is given to, and what is said of the pod."""
    for item in document.get("allocations") or ():
        yield str(item.get("ipv4") or item.get("ipv6")), "", item, item.get("metadata") or {}
    cards = [document] if "ENIs" in document else [one for one in document.values() if isinstance(one, Mapping)]
    for name, interface in ((name, one) for card in cards for name, one in (card.get("ENIs") or {}).items()):
        for found in addresses(interface):
            yield str(found.get("Address")), str(name), found.get("IPAMKey") or {}, found.get("IPAMMetadata") or {}


def addresses(interface: Item) -> Iterator[Item]:
    """The addresses of an interface, those of its blocks among them."""
    for block in [*(interface.get("AvailableIPv4Cidrs") or {}).values(), *(interface.get("IPv6Cidrs") or {}).values()]:
        yield from (block.get("IPAddresses") or block.get("IPv4Addresses") or {}).values()
    if "AvailableIPv4Cidrs" not in interface:
        yield from (interface.get("IPv4Addresses") or {}).values()


PARSER = Parser(
    kind="amazon-ipamd",
    read=read,
    names=(r"(.*/)?ipamd/(enis|ipam)\.json", r"(.*/)?aws-node/ipam\.json", r"(curl\S*_)?\S*61679_v1_enis"),
    content=re.compile(r'\A\s*\{\s*"(?:TotalIPs|\d+"\s*:\s*\{\s*"TotalIPs)"|\A\s*\{\s*"version"\s*:\s*"vpc-cni-ipam/'),
)
