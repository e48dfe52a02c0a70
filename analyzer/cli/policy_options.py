"""The options that every command about policies has: how the network system of the cluster reads them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from analyzer.pipeline import Input
from analyzer.policy.profiles import UNKNOWN_SYSTEM, Profile


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
    del given
    profile = UNKNOWN_SYSTEM
    if options.cni and options.cni != profile.name:
        raise ValueError(f"--cni {options.cni}: expected {profile.name}")
    if options.policy_switch:
        raise ValueError(f"--policy-switch {options.policy_switch[0]}: no switch has this name")
    return profile
