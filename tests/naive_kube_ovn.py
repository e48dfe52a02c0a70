"""What security groups of Kube-OVN mean, as the list of ACLs that its controller writes, each asked for a packet: slow, plain, and apart from everything in the analyzer."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import NamedTuple

from tests.naive_policy import NO, YES, Answers, Object, both

TIERS = (2, 3)
HIGHEST, BASE, SAME, DROP, ALLOW_POLICY, DROP_POLICY = 18484, 2005, 2004, 2003, 2001, 2000
NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1}


class Acl(NamedTuple):
    """One ACL that is about a port: whether it matches the packet, and what it does."""

    tier: int
    priority: int
    action: str


class Packet(NamedTuple):
    """What is asked about, of IPv4: addresses, protocol and ports."""

    source: str
    destination: str
    protocol: int
    port: int
    source_port: int


class Cluster(NamedTuple):
    """Pods and groups, and the pods that a NetworkPolicy isolates without admitting anything."""

    pods: list[Object]
    groups: list[Object]
    closed: list[str]

    def names(self, pod: Object) -> list[str]:
        return [name for name in pod["metadata"]["annotations"].get("ovn.kubernetes.io/security_groups", "").split(",") if name]

    def addresses(self, group: str) -> list[str]:
        return [pod["status"]["podIP"] for pod in self.pods if group in self.names(pod)]


def verdict(cluster: Cluster, packet: Packet) -> Answers:
    """Whether a packet passes: out of what sends it, and into what it is for."""
    found = YES
    for address, side in ((packet.source, "egressRules"), (packet.destination, "ingressRules")):
        for pod in cluster.pods:
            if pod["status"]["podIP"] == address:
                found = both(found, passes(acls(cluster, pod, side, packet)))
    return found


def passes(found: list[Acl]) -> Answers:
    """The strongest ACL of each tier in turn; ``pass`` and nothing go on. Of equal ones the answer is only known where all say the same."""
    for tier in (1, *TIERS):
        here = [acl for acl in found if acl.tier == tier]
        top = max((acl.priority for acl in here), default=0)
        actions = {acl.action for acl in here if acl.priority == top}
        if len(actions) > 1:
            left = [[acl for acl in found if acl.tier > tier], *[[Acl(1, 1, action)] for action in actions - {"pass"}]]
            answers = {answer for part in left if part or "pass" in actions for answer in passes(part)}
            return frozenset(answers)
        if actions and actions != {"pass"}:
            return YES if actions == {"allow"} else NO
    return YES


def acls(cluster: Cluster, pod: Object, side: str, packet: Packet) -> list[Acl]:
    """The ACLs of a pod that match a packet."""
    names, known = cluster.names(pod), {item["metadata"]["name"]: item for item in cluster.groups}
    found = [Acl(tier, DROP, "drop") for tier in TIERS if any(name in known for name in names)]
    away = packet.source if side == "ingressRules" else packet.destination
    here = packet.destination if side == "ingressRules" else packet.source
    for name in (name for name in names if name in known):
        spec = known[name]["spec"]
        tier = spec.get("tier", 0) + 2
        ends = (67, 68) if side == "ingressRules" else (68, 67)
        if packet.protocol == 112 or (packet.protocol == 17 and (packet.source_port, packet.port) == ends):
            found += [Acl(one, BASE, "allow") for one in TIERS]
        if spec.get("allowSameGroupTraffic") and away in cluster.addresses(name):
            found.append(Acl(tier, SAME, "allow"))
        for rule in spec.get(side, []):
            if matches(cluster, rule, packet, away, here):
                action = rule["policy"] if rule["policy"] in ("allow", "pass") else "drop"
                found.append(Acl(tier, HIGHEST - rule["priority"], action))
    if side == "ingressRules" and pod["metadata"]["name"] in cluster.closed:
        found.append(Acl(2, DROP_POLICY, "drop"))
    return found


def matches(cluster: Cluster, rule: Object, packet: Packet, away: str, here: str) -> bool:
    """Whether a rule of IPv4 is about the packet."""
    if rule["ipVersion"] != "ipv4":
        return False
    if rule["remoteType"] == "securityGroup":
        if away not in cluster.addresses(rule["remoteSecurityGroup"]):
            return False
    elif ip_address(away) not in ip_network(rule["remoteAddress"]):
        return False
    local = rule.get("localAddress")
    if local and ip_address(here) not in ip_network(local):
        return False
    if rule["protocol"] == "all":
        return True
    if packet.protocol != NUMBERS[rule["protocol"]]:
        return False
    ports = rule["protocol"] == "icmp" or rule["portRangeMin"] <= packet.port <= rule["portRangeMax"]
    sources = (
        rule["protocol"] == "icmp" or not local or rule["sourcePortRangeMin"] <= packet.source_port <= rule["sourcePortRangeMax"]
    )
    return ports and sources
