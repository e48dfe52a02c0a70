"""What Calico's policies mean, read plainly: one packet at a time, from the objects as they are written, as Felix would render them.

Nothing of the analyzer is used here. A cluster is a list of objects; all pods have addresses and nodes, all host endpoints are of all interfaces.
Follows felix/rules (endpoints.go, policy.go, static.go), felix/calc (policy_sorter.go, rule_scanner.go) and libcalico-go
lib/backend/syncersv1/updateprocessors, lib/selector.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import Any

from tests.naive_calico_selectors import Selector, prefixed

Object = dict[str, Any]
NAMES = {"TCP": 6, "UDP": 17, "SCTP": 132, "ICMP": 1, "ICMPv6": 58, "UDPLite": 136}


@dataclass(frozen=True)
class Packet:
    """A packet on the wire between two ends: a pod ``ns/name``, a node ``node:name``, or an address."""

    source: str
    destination: str
    family: int
    protocol: int
    port: int
    source_port: int = 40000


class Cluster:
    """The objects by kind, and what Felix makes of them."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects

    def of(self, kind: str) -> Iterator[Object]:
        return (item for item in self.objects if item["kind"] == kind)

    @cached_property
    def namespaces(self) -> dict[str, dict[str, str]]:
        found = {}
        for item in self.of("Namespace"):
            name = item["metadata"]["name"]
            labels = {**item["metadata"].get("labels", {}), "kubernetes.io/metadata.name": name, "projectcalico.org/name": name}
            found[name] = {"pcns." + key: value for key, value in labels.items()}
        return found

    @cached_property
    def pods(self) -> dict[str, Object]:
        return {f"{item['metadata']['namespace']}/{item['metadata']['name']}": item for item in self.of("Pod")}

    def accounts(self, namespace: str, name: str) -> dict[str, str]:
        found = {"projectcalico.org/name": name}
        for item in self.of("ServiceAccount"):
            if (item["metadata"]["namespace"], item["metadata"]["name"]) == (namespace, name):
                found |= item["metadata"].get("labels", {})
        return {"pcsa." + key: value for key, value in found.items()}

    @cached_property
    def endpoints(self) -> list[tuple[dict[str, str], list[str], list[tuple[str, int, int]]]]:
        """Whatever selectors select: labels, blocks, named ports."""
        found: list[tuple[dict[str, str], list[str], list[tuple[str, int, int]]]] = []
        for item in self.pods.values():
            namespace, account = item["metadata"]["namespace"], item["spec"].get("serviceAccountName", "default")
            labels = {**self.namespaces[namespace], **self.accounts(namespace, account), **item["metadata"].get("labels", {})}
            labels |= {"projectcalico.org/namespace": namespace, "projectcalico.org/orchestrator": "k8s"}
            labels["projectcalico.org/serviceaccount"] = account
            ports = [
                (port["name"], NAMES[port.get("protocol", "TCP")], port["containerPort"])
                for container in item["spec"]["containers"]
                for port in container.get("ports", ())
            ]
            found.append((labels, [address["ip"] for address in item["status"]["podIPs"]], ports))
        for item in self.of("NetworkSet"):
            namespace = item["metadata"]["namespace"]
            own = {**self.namespaces[namespace], **item["metadata"].get("labels", {}), "projectcalico.org/namespace": namespace}
            found.append((own, item["spec"]["nets"], []))
        found += [(item["metadata"].get("labels", {}), item["spec"]["nets"], []) for item in self.of("GlobalNetworkSet")]
        for item in self.of("HostEndpoint"):
            ports = [(port["name"], NAMES[port["protocol"]], port["port"]) for port in item["spec"].get("ports", ())]
            found.append((item["metadata"].get("labels", {}), item["spec"]["expectedIPs"], ports))
        return found

    def selected(self, selector: str, address: str) -> bool:
        """Whether an address is one of what a selector selects."""
        test = Selector(selector)
        return any(within(address, blocks) for labels, blocks, _ in self.endpoints if test.holds(labels))

    def addresses(self, end: str) -> list[str]:
        if end.startswith("node:"):
            node = next(item for item in self.of("Node") if item["metadata"]["name"] == end[5:])
            return [item["address"] for item in node["status"]["addresses"]]
        return [item["ip"] for item in self.pods[end]["status"]["podIPs"]] if end in self.pods else [end]

    def address(self, end: str, family: int) -> str:
        return next(item for item in self.addresses(end) if ip_address(item).version == family)

    def node(self, end: str) -> str:
        if end.startswith("node:"):
            return end[5:]
        return str(self.pods[end]["spec"]["nodeName"]) if end in self.pods else ""

    # Rules

    def matches(self, rule: Object, namespace: str, packet: Packet) -> bool:
        ends = {
            "source": self.address(packet.source, packet.family),
            "destination": self.address(packet.destination, packet.family),
        }
        if rule.get("ipVersion") not in (None, packet.family):
            return False
        if "protocol" in rule and number(rule["protocol"]) != packet.protocol:
            return False
        if "notProtocol" in rule and number(rule["notProtocol"]) == packet.protocol:
            return False
        if "icmp" in rule and not message(rule["icmp"], packet):
            return False
        if "notICMP" in rule and message(rule["notICMP"], packet):
            return False
        return all(self.end_matches(rule, key, namespace, packet, address) for key, address in ends.items())

    def end_matches(self, rule: Object, key: str, namespace: str, packet: Packet, address: str) -> bool:
        end = rule.get(key, {})
        for field in ("nets", "notNets"):
            if end.get(field):
                own = [block for block in end[field] if ip_network(block).version == packet.family]
                if not own or within(address, own) != (field == "nets"):
                    return False
        selector = self.entity_selector(end, namespace)
        if selector and not self.selected(selector, address):
            return False
        if end.get("notSelector") and self.selected(end["notSelector"], address):
            return False
        if "services" in end and not self.in_service(end["services"], key, namespace, packet, address):
            return False
        port = packet.source_port if key == "source" else packet.port
        if end.get("ports") and not any(self.port_matches(item, rule, address, port) for item in end["ports"]):
            return False
        return not any(self.port_matches(item, rule, address, port) for item in end.get("notPorts", ()))

    def entity_selector(self, end: Object, namespace: str) -> str:
        parts = []
        if "serviceAccounts" in end:
            match = end["serviceAccounts"]
            if match.get("selector"):
                parts.append(prefixed(match["selector"], "pcsa."))
            if match.get("names"):
                listed = ", ".join(f"'{name}'" for name in match["names"])
                parts.append(f"projectcalico.org/serviceaccount in {{{listed}}}")
        if end.get("selector"):
            parts.append(end["selector"])
        within_selector = ""
        if end.get("namespaceSelector"):
            within_selector = prefixed(end["namespaceSelector"], "pcns.").replace("all()", "has(projectcalico.org/namespace)")
            within_selector = within_selector.replace("global()", "!has(projectcalico.org/namespace)")
        elif namespace:
            within_selector = f"projectcalico.org/namespace == '{namespace}'"
        if within_selector and (parts or end.get("notSelector") or end.get("namespaceSelector")):
            parts.insert(0, within_selector)
        return " && ".join(f"({part})" for part in parts)

    def port_matches(self, item: int | str, rule: Object, address: str, port: int) -> bool:
        if isinstance(item, int) or item.isdigit():
            return port == int(item)
        if re.fullmatch(r"\d+:\d+", item):
            low, high = item.split(":")
            return int(low) <= port <= int(high)
        protocol = number(rule["protocol"])
        return any((item, protocol, port) in ports and within(address, blocks) for _, blocks, ports in self.endpoints)

    def in_service(self, match: Object, key: str, namespace: str, packet: Packet, address: str) -> bool:
        home = match.get("namespace") or namespace
        for service in self.of("Service"):
            if (service["metadata"]["namespace"], service["metadata"]["name"]) == (home, match["name"]):
                for pod in self.pods.values():
                    chosen = service["spec"]["selector"].items() <= pod["metadata"].get("labels", {}).items()
                    own = [item["ip"] for item in pod["status"]["podIPs"]]
                    if chosen and pod["metadata"]["namespace"] == home and address in own:
                        ports = [(NAMES[port["protocol"]], port["targetPort"]) for port in service["spec"]["ports"]]
                        if key == "source" or (packet.protocol, packet.port) in ports:
                            return True
        return False

    # Policies

    def selects(self, policy: Object, labels: dict[str, str]) -> bool:
        spec, whole = policy["spec"], []
        if spec.get("selector"):
            whole.append(spec["selector"])
        if policy["kind"] == "NetworkPolicy":
            whole.append(f"projectcalico.org/namespace == '{policy['metadata']['namespace']}'")
        elif spec.get("namespaceSelector"):
            whole.append(prefixed(spec["namespaceSelector"], "pcns."))
            whole = [item.replace("all()", "has(projectcalico.org/namespace)") for item in whole]
        if spec.get("serviceAccountSelector"):
            whole.append(prefixed(spec["serviceAccountSelector"], "pcsa."))
            if policy["kind"] == "GlobalNetworkPolicy":
                whole = [item.replace("all()", "has(projectcalico.org/serviceaccount)") for item in whole]
        return Selector(" && ".join(f"({item})" for item in whole)).holds(labels)

    def tiers(self) -> Iterator[tuple[str, list[Object]]]:
        """Tiers in their order, with how they end and their policies."""
        known: dict[str, tuple[float, str]] = {"default": (1_000_000.0, "Deny")}
        for item in self.of("Tier"):
            order = item["spec"].get("order")
            known[item["metadata"]["name"]] = (math.inf if order is None else order, item["spec"].get("defaultAction", "Deny"))
        policies = [item for item in self.objects if item["kind"] in ("NetworkPolicy", "GlobalNetworkPolicy")]
        for name, (_, end) in sorted(known.items(), key=lambda item: (item[1][0], item[0])):
            own = [item for item in policies if item["spec"].get("tier", "default") == name]
            yield end, sorted(own, key=lambda item: (item["spec"].get("order", math.inf), self.compared(item)))

    def compared(self, policy: Object) -> str:
        """What decides which of two policies of one order is asked first."""
        (about,) = self.of("ClusterInformation")
        name, namespace = policy["metadata"]["name"], policy["metadata"].get("namespace", "")
        if about["spec"]["calicoVersion"] == "v3.31.0":
            return f"{name}/{namespace}/{policy['kind']}"
        stored = f"{policy['spec'].get('tier', 'default')}.{name}"
        return f"{namespace}/{stored}" if namespace else stored

    def chain(self, labels: dict[str, str], direction: str, packet: Packet, kind: str) -> str:
        """What an endpoint's policies do with a packet: allow, deny, or nothing."""
        for end, policies in self.tiers():
            applying = [
                item
                for item in policies
                if self.selects(item, labels) and direction in types(item["spec"]) and kind in chains(item["spec"])
            ]
            verdict = self.tier(applying, direction, packet)
            if verdict in ("Allow", "Deny"):
                return verdict
            if applying and verdict == "" and end == "Deny" and kind in ("normal", "forward"):
                return "Deny"
        return ""

    def tier(self, policies: list[Object], direction: str, packet: Packet) -> str:
        for policy in policies:
            namespace = policy["metadata"].get("namespace", "")
            for rule in policy["spec"].get(direction, ()):
                if rule["action"] != "Log" and self.matches(rule, namespace, packet):
                    return str(rule["action"])
        return ""

    def pod_labels(self, end: str) -> dict[str, str]:
        position = list(self.pods).index(end)
        return self.endpoints[position][0]

    def host_labels(self, node: str) -> dict[str, str] | None:
        for item in self.of("HostEndpoint"):
            if item["spec"]["node"] == node:
                return dict(item["metadata"].get("labels", {}))
        return None

    def host(self, node: str, direction: str, packet: Packet) -> bool:
        """What a host endpoint does with traffic of its node."""
        labels = self.host_labels(node)
        if labels is None or self.failsafe(direction, packet):
            return True
        # Host endpoints of all interfaces have no untracked policies.
        for kind in ("preDNAT", "normal") if direction == "ingress" else ("normal",):
            verdict = self.chain(labels, direction, packet, kind)
            if verdict:
                return verdict == "Allow"
        profiles = next(item["spec"].get("profiles", ()) for item in self.of("HostEndpoint") if item["spec"]["node"] == node)
        return "projectcalico-default-allow" in profiles

    def forwarded(self, node: str, direction: str, packet: Packet) -> bool:
        """What a host endpoint does with traffic that its node forwards."""
        labels = self.host_labels(node)
        if labels is None:
            return True
        if direction == "ingress":
            verdict = "" if self.failsafe("ingress", packet) else self.chain(labels, direction, packet, "preDNAT")
            if verdict:
                return verdict == "Allow"
        return self.chain(labels, direction, packet, "forward") != "Deny"

    def failsafe(self, direction: str, packet: Packet) -> bool:
        shared = [(6, 179), (6, 2379), (6, 2380), (6, 5473), (6, 6443), (6, 6666), (6, 6667)]
        own = [(6, 22), (17, 68)] if direction == "ingress" else [(17, 53), (17, 67)]
        return (packet.protocol, packet.port) in own + shared

    def admitted(self, packet: Packet) -> bool:
        """Whether a packet that opens a connection arrives."""
        source, destination = packet.source, packet.destination
        if source == destination:
            return True
        home, there = self.node(source), self.node(destination)
        local = home != "" and home == there
        if source.startswith("node:") and local:
            return True
        if source in self.pods and self.chain(self.pod_labels(source), "egress", packet, "normal") == "Deny":
            return False
        if not local:
            leaving = self.host if source.startswith("node:") else self.forwarded
            entering = self.host if destination.startswith("node:") else self.forwarded
            if (home and not leaving(home, "egress", packet)) or (there and not entering(there, "ingress", packet)):
                return False
        return not (destination in self.pods and self.chain(self.pod_labels(destination), "ingress", packet, "normal") == "Deny")


def within(address: str, blocks: list[str]) -> bool:
    return any(ip_address(address) in ip_network(block, strict=False) for block in blocks)


def number(value: int | str) -> int:
    return NAMES[value] if value in NAMES else int(value)


def message(match: Object, packet: Packet) -> bool:
    if packet.protocol not in (1, 58) or "type" not in match:
        return packet.protocol in (1, 58)
    kind, code = divmod(packet.port, 256)
    return bool(kind == match["type"] and code == match.get("code", code))


def types(spec: Object) -> list[str]:
    if spec.get("types"):
        return [item.lower() for item in spec["types"]]
    if spec.get("egress"):
        return ["ingress", "egress"] if spec.get("ingress") else ["egress"]
    return ["ingress"]


def chains(spec: Object) -> tuple[str, ...]:
    """The chains that a policy is in."""
    if spec.get("doNotTrack"):
        return ("untracked",)
    if spec.get("preDNAT"):
        return ("preDNAT",)
    return ("normal", "forward") if spec.get("applyOnForward") else ("normal",)
