"""What Linkerd's policies mean, read plainly, one connection at a time, as its policy controller makes a proxy's configuration: apart from everything in the analyzer.

All pods are given with their addresses and say by annotation whether they have a proxy. Answers are sets, as in ``naive_policy``.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from tests.naive_policy import NO, OPEN, YES, Answers, selects

Object = dict[str, Any]
CLUSTER = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8")
SUFFIX = "serviceaccount.identity.linkerd.cluster.local"


def of_kind(objects: list[Object], kind: str, namespace: str) -> list[Object]:
    return [item for item in objects if item["kind"] == kind and item["metadata"].get("namespace") == namespace]


def note(item: Object, key: str) -> str:
    return str(item["metadata"].get("annotations", {}).get(key, ""))


def proxied(pod: Object) -> bool:
    return note(pod, "linkerd.io/inject") == "enabled"


def identity(client: Object | str) -> str:
    """The identity of a client; none of what has no proxy."""
    if isinstance(client, str) or not proxied(client):
        return ""
    return f"{client['spec']['serviceAccountName']}.{client['metadata']['namespace']}.{SUFFIX}"


def matches(pattern: str, own: str) -> bool:
    return own != "" and (own.endswith(pattern[1:]) if pattern.startswith("*") else own == pattern)


def address(client: Object | str) -> str:
    return client if isinstance(client, str) else str(client["status"]["podIPs"][0]["ip"])


def within(networks: list[Object], client: Object | str) -> bool:
    """Whether an address is in one of the networks; no networks are all."""
    own = ip_address(address(client))
    return not networks or any(
        own in ip_network(item["cidr"]) and not any(own in ip_network(hole) for hole in item.get("except", []))
        for item in networks
    )


def by_word(word: str, client: Object | str) -> bool:
    """A default policy."""
    if word in ("deny", ""):
        return False
    if word.startswith("cluster") and not any(ip_address(address(client)) in ip_network(text) for text in CLUSTER):
        return False
    return not word.endswith("-authenticated") or identity(client) != ""


def server_authorization(item: Object, client: Object | str) -> bool:
    given = item["spec"]["client"]
    if not within(given.get("networks", []), client):
        return False
    if given.get("unauthenticated"):
        return True
    tls, space = given["meshTLS"], item["metadata"]["namespace"]
    wanted = [*tls.get("identities", [])]
    wanted += [f"{one['name']}.{one.get('namespace', space)}.{SUFFIX}" for one in tls.get("serviceAccounts", [])]
    return identity(client) != "" if tls.get("unauthenticatedTLS") else any(matches(one, identity(client)) for one in wanted)


def required(objects: list[Object], reference: Object, space: str, client: Object | str) -> bool:
    home = reference.get("namespace", space)
    if reference["kind"] == "ServiceAccount":
        return identity(client) == f"{reference['name']}.{home}.{SUFFIX}"
    spec = next(i for i in of_kind(objects, reference["kind"], home) if i["metadata"]["name"] == reference["name"])["spec"]
    if reference["kind"] == "NetworkAuthentication":
        return within(spec["networks"], client)
    wanted = [*spec.get("identities", [])]
    for one in spec.get("identityRefs", []):
        whole = one["kind"] == "Namespace"
        wanted.append(f"*.{one['name']}.{SUFFIX}" if whole else f"{one['name']}.{one.get('namespace', home)}.{SUFFIX}")
    return any(matches(one, identity(client)) for one in wanted)


def admitted_by(objects: list[Object], server: Object, client: Object | str) -> bool:
    name, space = server["metadata"]["name"], server["metadata"]["namespace"]
    for item in of_kind(objects, "ServerAuthorization", space):
        named = item["spec"]["server"]
        chosen = named["name"] == name if "name" in named else selects(named["selector"], server["metadata"].get("labels", {}))
        if chosen and server_authorization(item, client):
            return True
    for item in of_kind(objects, "AuthorizationPolicy", space):
        target = item["spec"]["targetRef"]
        meant = target["kind"] == "Namespace" or target["name"] == name
        if meant and all(required(objects, one, space, client) for one in item["spec"]["requiredAuthenticationRefs"]):
            return True
    return by_word(server["spec"].get("accessPolicy", "deny"), client)


def ports_of(server: Object, pod: Object) -> list[int]:
    port = server["spec"]["port"]
    named = [(p["name"], p["containerPort"]) for c in pod["spec"]["containers"] for p in c["ports"] if p["protocol"] == "TCP"]
    return [port] if isinstance(port, int) else [number for name, number in named if name == port]


def asked_by_probe(pod: Object, port: int) -> bool:
    """Whether a probe of the pod gets a path on a port; probe networks are all."""
    for container in pod["spec"]["containers"]:
        names = {one["name"]: one["containerPort"] for one in container["ports"]}
        for key in ("livenessProbe", "readinessProbe"):
            given = container.get(key, {}).get("httpGet", {}).get("port")
            if given is not None and names.get(given, given) == port:
                return True
    return False


def verdict(objects: list[Object], client: Object | str, pod: Object | str, protocol: int, port: int) -> Answers:
    """Whether a connection is let through by the proxy of a pod."""
    if isinstance(pod, str) or not proxied(pod) or protocol != 6 or pod is client:
        return YES
    if str(port) in note(pod, "config.linkerd.io/skip-inbound-ports").split(","):
        return YES
    labels, space = pod["metadata"]["labels"], pod["metadata"]["namespace"]
    found = [
        item
        for item in of_kind(objects, "Server", space)
        if selects(item["spec"]["podSelector"], labels) and port in ports_of(item, pod)
    ]
    if len(found) > 1:
        return OPEN
    if found:
        paths = found[0]["spec"].get("proxyProtocol", "unknown") != "opaque" and asked_by_probe(pod, port)
        return YES if paths or admitted_by(objects, found[0], client) else NO
    if asked_by_probe(pod, port):
        return YES
    return YES if by_word(note(pod, "config.linkerd.io/default-inbound-policy") or "all-unauthenticated", client) else NO
