"""A plugin does not support the version of the CNI specification that its configuration names.

## What it finds
Plugins of a chain whose oldest version is newer than `cniVersion` (of `cniVersions`: the highest): firewall wants 0.4.0, vrf 0.3.1, bandwidth 0.3.0.

## Why it matters
The whole chain is run in one version, so the weakest plugin decides: it ends with error 1, "incompatible CNI versions", for every pod.

## Example
    {"cniVersion": "0.3.1", "plugins": [{"type": "bridge"}, {"type": "firewall"}]}

## How to mend
Raise `cniVersion` to the version that is named.

## Sources
containernetworking/plugins v1.9.1: PluginMainFuncs(…, version.VersionsStartingFrom) of each plugin; libcni/conf.go for cniVersions.
"""

from collections.abc import Iterator

from analyzer.query.cni.checks import told, too_old
from analyzer.query.cni.configs import Holder
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in told(network, too_old):
        passed_over = one.config.holder is Holder.PASSED_OVER
        yield RULE.finding(
            one.at,
            f"{one.config.title}: {one.fault.message}",
            related=[(one.config.place(("cniVersion",)), "the version is named here")] if one.config.version else [],
            help="raise cniVersion",
            severity=Severity.NOTE if passed_over else None,
        )


RULE = Rule("cni-version-unsupported", Severity.ERROR, __doc__, check)
