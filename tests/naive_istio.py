"""What AuthorizationPolicy and PeerAuthentication mean for one connection, read from their texts: slow, plain, and apart from everything in the analyzer.

Follows istio.io/docs/reference/config/security/authorization-policy and peer_authentication, as their implementation has it (pilot/pkg/security/authn,
ComposePeerAuthentication). What is about requests is not seen here: it counts as met where a policy allows, and is open where it denies.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from itertools import product
from typing import NamedTuple

from tests.naive_policy import NO, OPEN, YES, Answers, Object, both, either, opposite

ROOT = "istio-system"
INJECT, MODE = "sidecar.istio.io/inject", "istio.io/dataplane-mode"
OF_REQUESTS = ("requestPrincipals", "remoteIpBlocks", "hosts", "methods", "paths")


class End(NamedTuple):
    """A pod, or an address outside."""

    address: str
    pod: Object | None = None

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        return str(self.pod["metadata"]["namespace"]) if self.pod else ""

    @property
    def labels(self) -> dict[str, str]:
        """The pod's labels."""
        return self.pod["metadata"]["labels"] if self.pod else {}

    @property
    def account(self) -> str:
        """The pod's service account."""
        return str(self.pod["spec"].get("serviceAccountName", "default")) if self.pod else ""


class Cluster(NamedTuple):
    """Namespaces with their labels, and the objects of the mesh."""

    namespaces: dict[str, dict[str, str]]
    policies: list[Object]
    pods: list[Object]

    def in_mesh(self, end: End) -> bool:
        """Whether a pod has a proxy."""
        if end.pod is None:
            return False
        own, labels = end.labels, self.namespaces.get(end.namespace, {})
        said = [*self.namespaces.values(), *(pod["metadata"].get("labels", {}) for pod in self.pods)]
        if not any(
            item.get("istio-injection") == "enabled" or item.get(INJECT) == "true" or item.get(MODE) == "ambient" for item in said
        ):
            return own.get(INJECT) != "false" and labels.get("istio-injection") != "disabled" and own.get(MODE) != "none"
        wanted = own.get(INJECT) == "true" or labels.get("istio-injection") == "enabled"
        sidecar = wanted and own.get(INJECT) != "false" and labels.get("istio-injection") != "disabled"
        return sidecar or (own.get(MODE) != "none" and "ambient" in (own.get(MODE), labels.get(MODE)))

    def by_node(self, end: End) -> bool:
        """Whether only the node's proxy stands for a pod."""
        if end.pod is None:
            return False
        own, labels = end.labels, self.namespaces.get(end.namespace, {})
        wanted = own.get(INJECT) == "true" or labels.get("istio-injection") == "enabled"
        sidecar = wanted and own.get(INJECT) != "false" and labels.get("istio-injection") != "disabled"
        return own.get(MODE) != "none" and "ambient" in (own.get(MODE), labels.get(MODE)) and not sidecar

    def unseen(self, end: End, port: int) -> bool:
        """Whether what comes to a port is not led to the proxy."""
        notes = end.pod["metadata"].get("annotations", {}) if end.pod else {}
        if self.by_node(end):
            return bool(notes.get("ambient.istio.io/bypass-inbound-capture") == "true")
        only, without = (notes.get(f"traffic.sidecar.istio.io/{word}InboundPorts") for word in ("include", "exclude"))
        if port in (15020, 15021, 15090):
            return True
        if only not in (None, "*"):
            return str(port) not in only.split(",")
        return str(port) in (without or "").split(",")


def verdict(cluster: Cluster, source: End, destination: End, protocol: int, port: int) -> Answers:
    """Whether a connection is let in by the destination's proxy, which sees TCP only."""
    if protocol != 6 or not cluster.in_mesh(destination) or cluster.unseen(destination, port):
        return YES
    return both(authenticated(cluster, source, destination, port), authorized(cluster, source, destination, port))


def authenticated(cluster: Cluster, source: End, destination: End, port: int) -> Answers:
    """Whether plain text is let in, or is not what the source sends."""
    if cluster.in_mesh(source):
        return YES
    given = [item for item in cluster.policies if item["kind"] == "PeerAuthentication"]
    mesh = [item for item in given if item["metadata"]["namespace"] == ROOT and not chosen(item)]
    space = [item for item in given if item["metadata"]["namespace"] == destination.namespace != ROOT and not chosen(item)]
    own = [
        item
        for item in given
        if item["metadata"]["namespace"] == destination.namespace != ROOT
        and chosen(item)
        and chosen(item).items() <= destination.labels.items()
    ]
    found = {mode(levels, port) != "STRICT" for levels in product(*(oldest(items) for items in (own, space, mesh)))}
    return frozenset(found)


def chosen(item: Object) -> dict[str, str]:
    """The labels of a selector."""
    found: dict[str, str] = item["spec"].get("selector", {}).get("matchLabels", {})
    return found


def oldest(items: list[Object]) -> list[Object | None]:
    """The oldest, or where that is not known each that could be it."""
    times = [item["metadata"].get("creationTimestamp") for item in items]
    if not items:
        return [None]
    return [min(items, key=lambda item: item["metadata"]["creationTimestamp"])] if all(times) else list(items)


def mode(levels: tuple[Object | None, ...], port: int) -> str:
    """The mode of a port: of the workload's policy, of its namespace's, of the mesh's, by default PERMISSIVE."""
    if levels[0] is not None:
        found = levels[0]["spec"].get("portLevelMtls", {}).get(port, {}).get("mode", "UNSET")
        if found != "UNSET":
            return str(found)
    for item in levels:
        found = item["spec"].get("mtls", {}).get("mode", "UNSET") if item is not None else "UNSET"
        if found != "UNSET":
            return str(found)
    return "PERMISSIVE"


def authorized(cluster: Cluster, source: End, destination: End, port: int) -> Answers:
    """CUSTOM, then DENY, then ALLOW."""
    given = [item for item in cluster.policies if item["kind"] == "AuthorizationPolicy" and selects(item, destination)]
    if cluster.by_node(destination):
        given = [item for item in given if item["spec"]["action"] != "CUSTOM"]
    matches = {
        action: [
            rule_matches(cluster, item, rule, source, destination, port) for item in of for rule in item["spec"].get("rules", [])
        ]
        for action, of in (
            (name, [item for item in given if item["spec"]["action"] == name]) for name in ("CUSTOM", "DENY", "ALLOW")
        )
    }
    refused = either(*(both(found, OPEN) for found in matches["CUSTOM"]), *matches["DENY"])
    closed = any(item["spec"]["action"] == "ALLOW" for item in given)
    return both(opposite(refused), either(*matches["ALLOW"]) if closed else YES)


def selects(item: Object, destination: End) -> bool:
    """Whether a policy is about a pod."""
    home = item["metadata"]["namespace"]
    return home in (ROOT, destination.namespace) and chosen(item).items() <= destination.labels.items()


def rule_matches(cluster: Cluster, item: Object, rule: Object, source: End, destination: End, port: int) -> Answers:
    """One of the sources, one of the operations, and all conditions."""
    allows = item["spec"]["action"] == "ALLOW"
    unseen = YES if allows else OPEN
    if cluster.by_node(destination):
        if allows and about_requests(rule):
            return NO
        unseen = YES
    home = item["metadata"]["namespace"]
    readers: dict[str, Callable[[str], bool]] = {
        "principals": lambda text: cluster.in_mesh(source) and is_principal(source, text),
        "namespaces": lambda text: cluster.in_mesh(source) and fnmatchcase(source.namespace, text),
        "serviceAccounts": lambda text: cluster.in_mesh(source) and is_account(source, home, text),
        "ipBlocks": lambda text: ip_address(source.address) in ip_network(text),
        "ports": lambda text: int(text) == port,
    }
    conditions = {
        "source.principal": "principals",
        "source.namespace": "namespaces",
        "source.ip": "ipBlocks",
        "destination.port": "ports",
    }
    sources = [fields(one["source"], readers, unseen) for one in rule.get("from", [])]
    operations = [fields(one["operation"], readers, unseen) for one in rule.get("to", [])]
    found = []
    for one in rule.get("when", []):
        if one["key"] == "destination.ip":
            found.append(
                fields(
                    {"ipBlocks": one["values"]},
                    {"ipBlocks": lambda text: ip_address(destination.address) in ip_network(text)},
                    unseen,
                )
            )
        elif one["key"] in conditions:
            name = conditions[one["key"]]
            read = {
                f"not{name[0].upper()}{name[1:]}" if key == "notValues" else name: one[key]
                for key in ("values", "notValues")
                if key in one
            }
            found.append(fields(read, readers, unseen))
        else:
            found.append(unseen)
    return both(either(*sources) if sources else YES, either(*operations) if operations else YES, *found)


def about_requests(rule: Object) -> bool:
    """Whether a rule says anything of requests."""
    parts = [one["source"] for one in rule.get("from", [])] + [one["operation"] for one in rule.get("to", [])]
    keys = [key[3].lower() + key[4:] if key.startswith("not") else key for part in parts for key in part]
    return any(key in OF_REQUESTS for key in keys) or any(one["key"].startswith("request.") for one in rule.get("when", []))


def fields(item: Object, readers: dict[str, Callable[[str], bool]], unseen: Answers) -> Answers:
    """All fields hold; of the values of each one does, of those of its opposite none."""
    found = []
    for key, texts in item.items():
        name = key[3].lower() + key[4:] if key.startswith("not") else key
        if name in OF_REQUESTS:
            found.append(unseen)
            continue
        holds = any(readers[name](text) for text in texts)
        found.append(YES if holds is (name == key) else NO)
    return both(*found)


def is_principal(end: End, text: str) -> bool:
    """Whether a pod has an identity; ``*`` is everyone who has one."""
    return text == "*" or fnmatchcase(f"cluster.local/ns/{end.namespace}/sa/{end.account}", text)


def is_account(end: End, home: str, text: str) -> bool:
    """Whether a pod has a service account, of the policy's namespace unless another one is named."""
    space, slash, name = text.partition("/")
    return (end.namespace, end.account) == ((space, name) if slash else (home, text))
