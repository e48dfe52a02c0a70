"""Several captures of one thing become one: links, bridge ports, neighbours and addresses, with a gap where they contradict."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from analyzer.facts.base import Fact
from analyzer.facts.kubernetes import ObjectFact
from analyzer.facts.links import AddressFact, Bridge, LinkFact
from analyzer.facts.neighbours import BridgePortFact, NeighbourFact
from analyzer.facts.system import WANTED, SysctlFact
from analyzer.source import Gap

F = TypeVar("F", bound=Fact)
O = TypeVar("O", bound=ObjectFact)  # noqa: E741
# What the API server and controllers write anew without a change of meaning.
PASSING = frozenset(
    {"resourceVersion", "managedFields", "generation", "uid", "selfLink", "creationTimestamp", "annotations", "ownerReferences"}
)
# What of a pod's specification says nothing about networks.
BESIDE_NETWORKS = frozenset(
    {
        "image",
        "imagePullPolicy",
        "imagePullSecrets",
        "lifecycle",
        "livenessProbe",
        "priorityClassName",
        "resources",
        "securityContext",
        "startupProbe",
        "terminationGracePeriodSeconds",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tolerations",
        "volumeMounts",
        "volumes",
    }
)
# Groups of kinds that can be about networks: Kubernetes' own, and those with such a word. Of others nothing is read.
OF_NETWORKS = re.compile(
    r"(?:[a-z]*|apps|batch|extensions|policy|.*(?:net|k8s|vpc|calico|cilium|antrea|istio|ovn|cni|gateway|route|whereabouts|kube-?adm|weave|amazonaws|submariner|alibaba|openshift|operator|linkerd|kuma|consul|nsx).*)"
)
NOT_OF_NETWORKS = frozenset({"kustomize.config.k8s.io", "builtin"})
DEVICE_KEY = re.compile(r"(?P<head>net\.ipv[46]\.(?:conf|neigh)\.)(?P<device>.+)(?P<tail>\.[^./]+)")


def grouped(facts: Iterable[F], key: Callable[[F], Hashable]) -> dict[Hashable, list[F]]:
    """The facts by key, in order."""
    result: dict[Hashable, list[F]] = {}
    for fact in facts:
        result.setdefault(key(fact), []).append(fact)
    return result


def merged_links(facts: Sequence[LinkFact]) -> tuple[dict[str, LinkFact], list[Gap]]:
    """One link for each name, the more detailed text first; what it does not say is taken from the others."""
    links: dict[str, LinkFact] = {}
    gaps: list[Gap] = []
    for group in grouped(facts, lambda fact: fact.name).values():
        group.sort(key=lambda fact: (not fact.detailed, fact.index is None, fact.mac is None))
        link = group[0]
        for other in group[1:]:
            gaps += contradiction(link, other, f"{link.name}", ("index", "mac", "mtu", "master"), "ip-addr", link.name)
            link = completed(link, other, ())
        links[link.name] = link
    return links, gaps


def completed(first: F, other: F, keep: tuple[str, ...]) -> F:
    """The first fact with what only the other says: fields that are None or empty."""
    empty: tuple[object, ...] = (None, "", frozenset(), ())
    changes = {
        item.name: getattr(other, item.name)
        for item in fields(first)
        if item.name not in ("at", "scope", *keep)
        and getattr(first, item.name) in empty
        and getattr(other, item.name) not in empty
    }
    return replace(first, **changes) if changes else first


def contradiction(first: F, other: F, what: str, names: tuple[str, ...], subject: str, device: str = "") -> list[Gap]:
    """A gap for each field in which two captures of one thing differ."""
    gaps = []
    for name in names:
        one, two = getattr(first, name), getattr(other, name)
        if one is not None and two is not None and one != two:
            text = f"{what}: its {name.replace('_', ' ')} here is not the same as at {first.at}; that one is used"
            gaps.append(Gap(other.at, text, subject, other.scope, device=device))
    return gaps


def merged_ports(facts: Sequence[BridgePortFact], links: dict[str, LinkFact]) -> tuple[dict[str, BridgePortFact], list[Gap]]:
    """The ports of ``bridge link`` and of ``ip -d link`` by device, and those that only ``master`` tells."""
    ports: dict[str, BridgePortFact] = {}
    gaps: list[Gap] = []
    for group in grouped(facts, lambda fact: fact.device).values():
        port = group[0]
        for other in group[1:]:
            gaps += contradiction(port, other, f"port {port.device}", ("master", "state", "hairpin"), "bridge-link")
            port = completed(port, other, ())
        ports[port.device] = port
    for link in links.values():
        if link.name not in ports and link.master and is_bridge_port(link, links.get(link.master)):
            ports[link.name] = BridgePortFact(at=link.at, scope=link.scope, device=link.name, master=link.master)
    return dict(sorted(ports.items())), gaps


def is_bridge_port(link: LinkFact, master: LinkFact | None) -> bool:
    """Whether the master is a bridge, also where the text was printed without ``-d`` (bonds and VRFs then show MASTER)."""
    if link.master_kind is not None:
        return link.master_kind == "bridge"
    if master is None:
        return False
    if master.kind is not None:
        return isinstance(master.kind, Bridge)
    return not master.detailed and "MASTER" not in master.flags and master.name != "ovs-system"


def merged_addresses(facts: Sequence[AddressFact]) -> tuple[AddressFact, ...]:
    """Each address of each device once."""
    groups = grouped(facts, lambda fact: (fact.device, fact.address, fact.length))
    return tuple(group[0] for group in groups.values())


def merged_neighbours(facts: Sequence[NeighbourFact]) -> tuple[tuple[NeighbourFact, ...], list[Gap]]:
    """Each entry once: ``ip neigh`` before ``arp``, which does not tell the states apart."""
    result: list[NeighbourFact] = []
    gaps: list[Gap] = []
    for group in grouped(facts, lambda fact: (fact.device, fact.address, fact.proxy)).values():
        group.sort(key=lambda fact: fact.at.path.rsplit("/", 1)[-1].startswith("arp"))
        entry = group[0]
        for other in group[1:]:
            gaps += contradiction(entry, other, f"neighbour {entry.address}", ("mac",), "ip-neigh")
            entry = completed(entry, other, ("states",))
        result.append(entry)
    return tuple(result), gaps


def other_names(key: str) -> Iterator[str]:
    """The key of a device with dots in its name, each way of writing it."""
    found = DEVICE_KEY.fullmatch(key)
    if found and ("/" in found["device"] or "." in found["device"]):
        for device in (found["device"].replace("/", "."), found["device"].replace(".", "/")):
            yield f"{found['head']}{device}{found['tail']}"


def merged_sysctls(facts: Sequence[SysctlFact]) -> tuple[dict[str, SysctlFact], list[Gap]]:
    """The switches by key. A device ``eth0.5`` is found under ``eth0/5`` (as sysctl prints it) and ``eth0.5``.

    ``net.ipv4.ip_forward`` and ``net.ipv4.conf.all.forwarding`` are one variable (net/ipv4/devinet.c, ctl_forward_entry).
    Files of /etc/sysctl.d and the like (sysctl.d(5)) say what is wanted, not what is: they are left out.
    """
    result: dict[str, SysctlFact] = {}
    gaps: list[Gap] = []
    for fact in facts:
        if WANTED.search(fact.at.path):
            continue
        first = result.setdefault(fact.key, fact)
        gaps += contradiction(first, fact, fact.key, ("value",), "sysctl")
    for key in list(result):
        for other in other_names(key):
            result.setdefault(other, result[key])
    one, two = "net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"
    for known, other in ((one, two), (two, one)):
        if known in result:
            result.setdefault(other, result[known])
    return dict(sorted(result.items())), gaps


def merged_objects(facts: Iterable[O], doubles: list[ObjectFact]) -> tuple[list[O], list[Gap]]:
    """Each object once, however many texts hold it: of texts that differ one is used, a gap names the first difference and both places, and the others
    are added to ``doubles``.

    The subsets of one Endpoints object are several facts of one document. What has no name (a node's component configuration, ``generateName``) is an
    object of its own in each document.
    """
    gaps: list[Gap] = []
    texts: dict[tuple[str, str, str, str | int], list[list[O]]] = {}
    for fact in facts:
        group = texts.setdefault((fact.api_version, fact.kind, fact.namespace, fact.name or id(fact.document)), [])
        if group and group[-1][0].document is fact.document:
            group[-1].append(fact)
        else:
            group.append([fact])
    kept = [fact for group in texts.values() for fact in (group[0] if len(group) == 1 else used(group, gaps, doubles))]
    return kept, gaps


def used(texts: list[list[O]], gaps: list[Gap], doubles: list[ObjectFact]) -> list[O]:
    """The text of an object that is used: of manifests that differ the last, as ``kubectl apply`` of the files in their order leaves it (a later configuration
    takes the place of the one before); of what an API server told the first, as nobody can say which is newer."""
    first, *rest = texts
    if not any(object_contradiction(first[0], other[0]) for other in rest):
        return first
    chosen = next((text for text in reversed(texts) if not told_by_server(text[0])), first)
    chosen = first if told_by_server(first[0]) else chosen
    for text in texts:
        if found := object_contradiction(chosen[0], text[0]):
            gaps += found
            doubles.append(text[0])
    return chosen


def told_by_server(fact: ObjectFact) -> bool:
    """Whether a text is an API server's, which has an identity, or a version, in its metadata."""
    metadata = fact.document.get("metadata")
    return isinstance(metadata, Mapping) and bool(metadata.get("uid") or metadata.get("resourceVersion"))


def object_contradiction(first: ObjectFact, other: ObjectFact) -> list[Gap]:
    """A gap where two texts state one object differently."""
    path = difference(first.document, other.document) if of_networks(other) else None
    if path is None:
        return []
    name = f"{other.kind} {other.namespace + '/' if other.namespace else ''}{other.name}"
    where = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")
    text = f"{name}: {where or 'what it says'} here is not the same as at {first.place(*path)}; that one is used"
    return [Gap(other.place(*path), text, "kubernetes")]


def of_networks(fact: ObjectFact) -> bool:
    """Whether an object can say anything about networks, by its group or because it makes pods; of others it does not matter which text is used."""
    group, spec = fact.api_version.rpartition("/")[0], fact.document.get("spec")
    makes_pods = isinstance(spec, Mapping) and "template" in spec
    return makes_pods or (group not in NOT_OF_NETWORKS and OF_NETWORKS.fullmatch(group) is not None)


def difference(one: Any, two: Any, path: tuple[str | int, ...] = ()) -> tuple[str | int, ...] | None:
    """The path of the first value in which two documents differ, in the order of their keys; None where they say the same. What passes by
    itself is left out, but for the addresses of a pod and a node."""
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        pairs: list[tuple[str | int, Any, Any]] = [(key, one.get(key), two.get(key)) for key in dict.fromkeys((*one, *two))]
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        pairs = list(zip(range(len(one)), one, two, strict=True))
    else:
        return None if one == two else path
    for key, left, right in pairs:
        if not passing(path, key) and left != right and (found := difference(left, right, (*path, key))) is not None:
            return found
    return None


def passing(path: tuple[str | int, ...], key: str | int) -> bool:
    """Whether a value changes without a change of what is wanted."""
    if path == ("status",):
        return key not in ("podIP", "podIPs", "addresses", "loadBalancer")
    if key in BESIDE_NETWORKS and "spec" in path:
        return True
    return path == ("metadata",) and key in PASSING
