"""What FQDNNetworkPolicy of Google Kubernetes Engine means for what a pod sends, read from its text: slow, plain, and apart from everything in the analyzer.

cloud.google.com/kubernetes-engine/docs/how-to/fqdn-network-policies: egress only; a pod that one selects may send what one of them or a NetworkPolicy that selects it
admits, and nothing else. Names are of addresses outside. Whether questions to DNS are admitted of themselves is not said.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from tests.naive_policy import (
    NO,
    OPEN,
    WITH_PORTS,
    YES,
    Answers,
    End,
    Object,
    Packet,
    Reading,
    both,
    either,
    labels_of,
    names_of,
    namespace_of,
    network_policies,
    selects,
)


def leaves(reading: Reading, pod: Object, other: End, packet: Packet) -> Answers:
    """Whether what a pod sends to somebody else passes."""
    plain = network_policies(reading, End(pod), packet, other, True)
    mine = [item for item in reading.objects if item["kind"] == "FQDNNetworkPolicy" and namespace_of(item) == namespace_of(pod)]
    mine = [item for item in mine if selects(item["spec"].get("podSelector"), labels_of(pod))]
    if not mine:
        return frozenset(word != "deny" for word in plain)
    found = [rule(reading, each, other, packet) for item in mine for each in item["spec"].get("egress") or []]
    dns = OPEN if packet.protocol in ("TCP", "UDP") and packet.port == 53 else NO
    return either(frozenset(word == "allow" for word in plain), dns, *found)


def rule(reading: Reading, item: Object, other: End, packet: Packet) -> Answers:
    """One rule: one of its names, and one of its ports; no ports are all traffic. Whom one without names is for is not said."""
    who = either(*(named(reading, one, other) for one in item["matches"])) if item.get("matches") else OPEN
    ports = item.get("ports") or []
    if ports and packet.protocol not in WITH_PORTS:
        return both(who, reading.icmp_under_ports)
    return who if not ports or any(meant(one, packet) for one in ports) else NO


def meant(port: Object, packet: Packet) -> bool:
    """A port of a protocol (TCP where none is said), or all of it."""
    return packet.protocol == port.get("protocol", "TCP") and port.get("port") in (None, packet.port)


def named(reading: Reading, match: Object, other: End) -> Answers:
    """A name, or a pattern whose star stays within a label: an address that was told for it; whether another one has it is not known of a name that nobody asked for, and of a
    pattern where nobody was told the address for any name."""
    if other.object is not None:
        return NO
    known = {text: [ip_address(one) for one in told] for text, told in names_of(reading).items()}
    own = ip_address(other.outside)
    if "name" in match:
        return OPEN if match["name"] not in known else YES if own in known[match["name"]] else NO
    expression = ".*" if match["pattern"] == "*" else re.escape(match["pattern"]).replace(r"\*", "[-a-z0-9_]*")
    having = [text for text, told in known.items() if own in told]
    return YES if any(re.fullmatch(expression, text) for text in having) else NO if having else OPEN
