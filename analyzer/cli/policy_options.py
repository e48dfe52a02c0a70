"""The options that every command about policies has: how the network system of the cluster reads them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from analyzer.pipeline import Input

if TYPE_CHECKING:
    from analyzer.policy.profiles import Profile


def policy_options(parser: ArgumentParser) -> None:
    """Adds ``--cni`` and ``--policy-switch``."""
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


def profile_for(options: Namespace, given: Input) -> Profile:
    """The profile that is asked for, else that of the system that is recognised. ValueError for a name or switch that is not known."""
    from analyzer.policy.detection import settled
    from analyzer.policy.profiles import profile_named, with_switches
    from analyzer.query.policies import profile_of

    cluster = given.network.cluster
    profile = settled(profile_named(options.cni), cluster) if options.cni else profile_of(given.network)
    return with_switches(profile, dict(map(switch, options.policy_switch)))


def switch(text: str) -> tuple[str, str]:
    """The name and the value of a switch."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--policy-switch {text!r}: expected NAME=VALUE, such as blocks-match-pods=no")
    return name.strip(), value.strip()
