"""The options that every command about policies has: how the network system of the cluster reads them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.pipeline import Input
from analyzer.settings import Settings
from analyzer.source import Source

if TYPE_CHECKING:
    from analyzer.policy.profiles import Profile

LARGEST = 16 << 20


def policy_options(parser: ArgumentParser) -> None:
    """Adds ``--cni``, ``--policy-switch``, ``--network`` and ``--dns``."""
    parser.add_argument(
        "--cni", metavar="NAME", help="the network system, whose reading of policies is taken (default: as recognised)"
    )
    parser.add_argument(
        "--policy-switch",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one point in which network systems differ, whatever the system: yes, no or unknown (repeatable)",
    )
    parser.add_argument(
        "--network",
        metavar="NS/NAME",
        help="a secondary network of pods (its NetworkAttachmentDefinition), on which MultiNetworkPolicies decide; default: the pods' default network",
    )
    parser.add_argument(
        "--dns",
        action="append",
        default=[],
        metavar="FILE",
        help="addresses of names that policies mention: lines as in /etc/hosts, or the output of `cilium-dbg fqdn cache list` (repeatable)",
    )


def with_names(options: Namespace, given: Input) -> Input:
    """The input with the addresses of names that the files of ``--dns`` give. What of them cannot be read is a gap. ValueError for a file that cannot be opened."""
    from analyzer.capture.reading import facts
    from analyzer.facts.clouds import NameFact

    sources = tuple(map(dns_source, options.dns))
    known, gaps = facts(sources)
    cluster = given.network.cluster
    names = (*cluster.names, *(fact for fact in known if isinstance(fact, NameFact)))
    if not sources:
        return given
    network = replace(given.network, cluster=replace(cluster, names=names))
    every = (*given.sources, *sources)
    return replace(given, network=network, sources=every, gaps=(*given.gaps, *gaps), unreadable=(*given.unreadable, *gaps))


def dns_source(path: str) -> Source:
    """A file of names."""
    try:
        with Path(path).open("rb") as file:
            return Source(path, file.read(LARGEST).decode("utf-8", "replace"), "dns-names")
    except OSError as problem:
        raise ValueError(f"--dns {path}: {problem.strerror}") from None


def profile_for(options: Namespace, given: Input) -> Profile:
    """The profile that is asked for, else that of the system that is recognised. ValueError for a name or switch that is not known."""
    from analyzer.policy.detection import settled
    from analyzer.policy.profiles import profile_named, with_switches
    from analyzer.query.policies import on_network, profile_of

    cluster = given.network.cluster
    settings = getattr(options, "settings", None) or Settings()
    name = options.cni or settings.cni
    profile = settled(profile_named(name), cluster) if name else profile_of(given.network)
    profile = on_network(cluster, options.network) if options.network else profile
    return with_switches(profile, dict(map(switch, (*settings.policy_switches, *options.policy_switch))))


def switch(text: str) -> tuple[str, str]:
    """The name and the value of a switch."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--policy-switch {text!r}: expected NAME=VALUE, such as blocks-match-pods=no")
    return name.strip(), value.strip()
