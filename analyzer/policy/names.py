"""DNS names in policies, over the names whose addresses the input gives: captured caches of agents, DNSNameResolver objects, files of hosts.

How a name is asked for differs, each with its source: Cilium's ``matchPattern`` (pkg/fqdn/matchpattern), Antrea's ``fqdn`` (pkg/agent/controller/networkpolicy/fqdn.go, ``*`` is
any text), names of the network policy API (``*.`` in front: one label or more), EgressFirewall's (one label).

A name that is given has the addresses that are given, and no others. What a pattern could mean beside the names that are given stays open, for addresses that no given name has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from analyzer.addresses import Address, Prefix, address, host_prefix
from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.model.cluster import Cluster
from analyzer.parsers._view import View
from analyzer.policy.terms import EVERYONE, NOBODY, All, InBlocks, Not, Opaque, Peer, both, either
from analyzer.source import Span

SETTLES = ", which a captured DNS cache or a file of hosts (--dns FILE) would say"
Names = Mapping[str, tuple[Address, ...]]
Style = Callable[[str, str], bool]


def names_of(cluster: Cluster) -> dict[str, tuple[Address, ...]]:
    """The addresses of every name that is given."""
    found: dict[str, dict[Address, None]] = {}
    for fact in cluster.names:
        found.setdefault(fact.name, {}).update(dict.fromkeys(fact.addresses))
    for item in cluster.others:
        if item.kind == "DNSNameResolver" and item.api_version.startswith("network.openshift.io/"):
            for name, own in resolved(item):
                found.setdefault(name, {}).update(dict.fromkeys(own))
    return {name: tuple(known) for name, known in sorted(found.items())}


def resolved(fact: OtherObjectFact) -> Iterable[tuple[str, list[Address]]]:
    """What a DNSNameResolver of OpenShift has found (openshift/api network/v1alpha1/types_dnsnameresolver.go)."""
    view = View(fact.document, fact.places or {(): fact.at}, "kubernetes", [])
    for item in view.part("status").parts("resolvedNames"):
        own = [item.read(part.text("ip"), address) for part in item.parts("resolvedAddresses")]
        name = item.text("dnsName").rstrip(".").lower()
        if name and not name.startswith("*"):
            yield name, [one for one in own if one is not None]


@dataclass(frozen=True, slots=True)
class NameReader:
    """Reads names in one kind of policy. ``test`` makes the test of addresses that count there, ``whom`` says who could have one that is not known;
    ``inside``: who else could, of names of the cluster's own domain (which pods have through headless services)."""

    names: Names
    style: Style
    test: Callable[[tuple[Prefix, ...]], Peer]
    whom: Peer = EVERYONE
    inside: Peer = NOBODY

    def asked(self, pattern: str, at: Span) -> Peer:
        """The addresses of the names that a pattern asks for."""
        wanted = pattern.rstrip(".").lower()
        if "*" not in wanted:
            known = self.names.get(wanted)
            return self.having(known) if known is not None else self.opened(wanted, f"which addresses {pattern} has", at)
        text = f"which addresses other names have that are like {pattern}" if self.names else f"which addresses {pattern} has"
        rest = self.opened(wanted, text, at)
        if not self.names:
            return rest
        own = [one for name, known in self.names.items() if self.style(wanted, name) for one in known]
        told = [one for known in self.names.values() for one in known]
        return either((self.having(own), All((Not(InBlocks(blocks_of(told))), rest))))

    def having(self, known: Iterable[Address]) -> Peer:
        """Whoever has one of the addresses."""
        blocks = blocks_of(known)
        return self.test(blocks) if blocks else NOBODY

    def opened(self, pattern: str, what: str, at: Span) -> Peer:
        """Whoever could have an address that is not known."""
        whom = either((self.whom, self.inside)) if may_be_inside(pattern) else self.whom
        return both(whom, Opaque(f"{what}{SETTLES}", at))


def may_be_inside(pattern: str) -> bool:
    """Whether a name, or one that is like a pattern, could be of a service or pod of the cluster (its DNS specification: ``.svc.`` or ``.pod.`` and the cluster's domain)."""
    tail = pattern.rpartition("*")[2]
    whole = any(f".{part}." in f".{pattern}." for part in ("svc", "pod"))
    return whole or ("*" in pattern and any(f".{part}.cluster.local".endswith(tail) for part in ("svc", "pod")))


def blocks_of(known: Iterable[Address]) -> tuple[Prefix, ...]:
    """The addresses as blocks."""
    return tuple(sorted({host_prefix(one) for one in known}))


MANY, LONE = re.compile(r"^\*{2,}\."), re.compile(r"(?<=.)\*{2,}")


def cilium(pattern: str, name: str) -> bool:
    """``*`` is any text within a label, alone every name; ``**.`` in front one label or more; any number of stars in a row is one, in front of a
    dot two (pkg/fqdn/matchpattern)."""
    if not pattern.strip("*"):
        return True
    pattern = LONE.sub("*", MANY.sub("**.", pattern))
    if pattern.startswith("**."):
        tail = pattern.removeprefix("**.").split(".")
        labels = name.split(".")
        return len(labels) > len(tail) and by_label(tail, labels[-len(tail) :])
    return by_label(pattern.split("."), name.split("."))


def by_label(patterns: list[str], labels: list[str]) -> bool:
    """Label by label."""
    return len(patterns) == len(labels) and all(fnmatchcase(*pair) for pair in zip(labels, patterns, strict=True))


def any_text(pattern: str, name: str) -> bool:
    """``*`` is any text."""
    return fnmatchcase(name, pattern)


def below(pattern: str, name: str) -> bool:
    """``*.`` in front is one label or more."""
    return name.endswith(pattern.removeprefix("*")) and len(name) >= len(pattern)


def one_label(pattern: str, name: str) -> bool:
    """``*.`` in front is one label."""
    return below(pattern, name) and name.count(".") == pattern.count(".")
