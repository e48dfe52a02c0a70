"""What security groups mean, read packet by packet from the objects and the cloud's JSON: slow, plain, and apart from everything in the analyzer."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import NamedTuple

from tests.naive_policy import NO, OPEN, YES, Answers, Object, both, either

NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}


class Cloud(NamedTuple):
    """Pods, the objects that give them groups, and the groups that are known."""

    pods: list[Object]
    givers: list[Object]
    groups: list[Object]

    def of(self, pod: Object | None) -> set[str] | None:
        """The groups of a pod; None where no object gives it any."""
        if pod is None:
            return None
        found: set[str] = set()
        for item in self.givers:
            same = item["metadata"]["namespace"] == pod["metadata"]["namespace"]
            wanted = item["spec"]["podSelector"].get("matchLabels", {})
            if same and wanted.items() <= pod["metadata"]["labels"].items():
                found |= set(item["spec"]["securityGroups"]["groupIds"])
        return found or None


def verdict(cloud: Cloud, source: str, destination: str, protocol: int, port: int) -> Answers:
    """Whether a packet passes: out of what sends it, and into what it is for."""
    ends = [next((pod for pod in cloud.pods if pod["status"]["podIP"] == text), None) for text in (source, destination)]
    out = passes(cloud, ends[0], "IpPermissionsEgress", destination, ends[1], (protocol, port))
    into = passes(cloud, ends[1], "IpPermissions", source, ends[0], (protocol, port))
    return both(out, into)


def passes(cloud: Cloud, own: Object | None, side: str, text: str, other: Object | None, flow: tuple[int, int]) -> Answers:
    """Whether one of the groups of an end lets it pass; an end without groups lets everything pass."""
    groups = cloud.of(own)
    if groups is None:
        return YES
    known = {item["GroupId"]: item for item in cloud.groups}
    found = []
    for name in groups:
        if name not in known:
            found.append(OPEN)
            continue
        for rule in known[name][side]:
            found.append(both(flows(rule, *flow), peer(cloud, rule, text, other)))
    return either(*found)


def flows(rule: Object, protocol: int, port: int) -> Answers:
    """Protocol and ports."""
    name = rule["IpProtocol"]
    if name == "-1":
        return YES
    if (NUMBERS.get(name) or int(name)) != protocol:
        return NO
    low, high = rule.get("FromPort", -1), rule.get("ToPort", -1)
    if protocol in (1, 58):
        kind, code = divmod(port, 256)
        return YES if low in (-1, kind) and (low == -1 or high in (-1, code)) else NO
    return YES if protocol not in (6, 17) or low == -1 or low <= port <= high else NO


def peer(cloud: Cloud, rule: Object, text: str, other: Object | None) -> Answers:
    """Whoever the rule is about."""
    blocks = [item["CidrIp"] for item in rule.get("IpRanges", [])] + [item["CidrIpv6"] for item in rule.get("Ipv6Ranges", [])]
    networks = map(ip_network, blocks)
    found = [
        YES if any(ip_address(text) in network for network in networks if network.version == ip_address(text).version) else NO
    ]
    found += [OPEN for _ in rule.get("PrefixListIds", [])]
    theirs = cloud.of(other)
    for pair in rule.get("UserIdGroupPairs", []):
        found.append(OPEN if theirs is None else YES if pair["GroupId"] in theirs else NO)
    return either(*found)
