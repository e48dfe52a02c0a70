"""``aws-cni``: the AWS VPC CNI. Its MTU is a text."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import TEXT, Problem
from analyzer.query.cni.plugin import Call, Plugin, Role


def refusals(call: Call) -> Iterator[Problem]:
    """``LoadNetConf``: the prefix must leave room for the rest of an interface's name."""
    prefix = call.text("vethPrefix")
    if len(prefix) > 4:
        yield Problem(("vethPrefix",), f"vethPrefix {prefix!r} has more than 4 characters")


PLUGIN = Plugin(
    types=("aws-cni",),
    role=Role.MAIN,
    source="aws/amazon-vpc-cni-k8s cmd/routed-eni-cni-plugin/cni.go",
    fields={"vethPrefix": TEXT, "mtu": TEXT, "podSGEnforcingMode": TEXT, "pluginLogFile": TEXT, "pluginLogLevel": TEXT},
    refusals=refusals,
)
