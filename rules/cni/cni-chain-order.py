"""The plugins of a CNI configuration do not make a chain.

## What it finds
A plugin that changes what an earlier one made (portmap, bandwidth, tuning, firewall, sbr, vrf) in the first place; a second plugin that makes an interface; a plugin that hands out
addresses as a plugin of its own.

## Why it matters
The first ends with "must be called as chained plugin", the second finds that the interface exists: no pod gets a network.

## Example
    "plugins": [{"type": "portmap"}, {"type": "bridge"}]

## How to mend
Put the plugin that makes the interface first, and the others behind it.

## Sources
CNI specification section 3; containernetworking/plugins v1.9.1 (each plugin's cmdAdd).
"""

from collections.abc import Iterator

from analyzer.query.cni.checks import chained, told
from analyzer.query.cni.configs import Holder
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in told(network, chained):
        passed_over = one.config.holder is Holder.PASSED_OVER
        yield RULE.finding(
            one.at,
            f"{one.config.title}: {one.fault.message}",
            note=f"the same on {', '.join(one.others)}" if one.others else "",
            help="the plugin that makes the interface comes first",
            severity=Severity.NOTE if passed_over else None,
        )


RULE = Rule("cni-chain-order", Severity.ERROR, __doc__, check)
