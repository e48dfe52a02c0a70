"""A CNI configuration holds what its plugin takes and what is yet hardly meant.

## What it finds
Misspelt fields that no plugin reads; a gateway, of addresses or of a route, that pods cannot reach, or that a pod can get as its address; whereabouts without any range; ranges that hand out the broadcast address; bounds that whereabouts silently does not heed;
settings that keep pods of a node from each other; a mark that kube-proxy uses as well; an `eniip_virtual_type` that Terway does not know, which counts as veth.

## Why it matters
Nothing says so: pods get addresses and the network does something else than what is written.

## Example
    {"type": "bridge", "isGatway": true}

## How to mend
Correct the field that is named.

## Sources
containernetworking/plugins v1.9.1, k8snetworkplumbingwg/whereabouts pkg/iphelpers (GetIPRange), AliyunContainerService/terway plugin/driver/types/types.go.
"""

from collections.abc import Iterator

from analyzer.query.cni.checks import doubtful, told
from analyzer.query.cni.configs import Holder
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in told(network, doubtful):
        passed_over = one.config.holder is Holder.PASSED_OVER
        yield RULE.finding(
            one.at,
            f"{one.config.title}: {one.fault.message}",
            note=f"the same on {', '.join(one.others)}" if one.others else "",
            help=one.fault.help,
            severity=Severity.NOTE if passed_over else None,
        )


RULE = Rule("cni-config-misleading", Severity.WARNING, __doc__, check)
