"""The options that every command about policies has: how the network system of the cluster reads them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from analyzer import reading
from analyzer.cli.parsers import section
from analyzer.pipeline import Input
from analyzer.settings import Settings

if TYPE_CHECKING:
    from analyzer.policy.profiles import Profile


def policy_options(parser: ArgumentParser) -> None:
    """Adds ``--cni``, ``--policy-switch``, ``--network`` and ``--dns``."""
    group = section(parser, "policies")
    group.add_argument(
        "--cni", metavar="NAME", help="the network system, whose reading of policies is taken (default: as recognised)"
    )
    group.add_argument(
        "--policy-switch",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one point in which network systems differ, whatever the system: yes, no or unknown (repeatable)",
    )
    group.add_argument(
        "--network",
        metavar="NS/NAME",
        help="a secondary network of pods (its NetworkAttachmentDefinition), on which MultiNetworkPolicies decide; default: the pods' default network",
    )
    group.add_argument(
        "--dns",
        action="append",
        default=[],
        metavar="FILE",
        help="addresses of names that policies mention: lines as in /etc/hosts, or the output of `cilium-dbg fqdn cache list` (repeatable)",
    )


def with_names(options: Namespace, given: Input) -> Input:
    """The input with the addresses of names that the files of ``--dns`` give. ValueError for a file that cannot be opened."""
    try:
        return reading.with_names(given, options.dns)
    except ValueError as problem:
        raise ValueError(f"--dns {problem}") from None


def profile_for(options: Namespace, given: Input) -> Profile:
    """The profile that is asked for, else that of the system that is recognised. ValueError for a name or switch that is not known."""
    settings = getattr(options, "settings", None) or Settings()
    switches = dict(map(switch, (*settings.policy_switches, *options.policy_switch)))
    return reading.profile(given, options.cni or settings.cni, switches, options.network or "")


def switch(text: str) -> tuple[str, str]:
    """The name and the value of a switch."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--policy-switch {text!r}: expected NAME=VALUE, such as blocks-match-pods=no")
    return name.strip(), value.strip()
