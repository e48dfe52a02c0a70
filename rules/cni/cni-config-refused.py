"""A CNI plugin would refuse its configuration: no pod would get this network.

## What it finds
Fields of a type that the plugin cannot decode, values outside what it allows, fields that exclude each other or that are missing: in the files of /etc/cni/net.d,
in NetworkAttachmentDefinitions, and in ConfigMaps whose text is installed on nodes. Each plugin's own code says what it refuses; the finding names it. Files that a runtime passes
over are told as notes.

## Why it matters
The plugin ends with an error for every pod: they stay in ContainerCreating.

## Example
    {"type": "macvlan", "mode": "bridged", "mtu": "1500"}

## How to mend
Correct the field that is named.

## Sources
containernetworking/plugins v1.9.1 (`gateways` of sbr: its main branch), flannel-io/cni-plugin, projectcalico/calico, k8snetworkplumbingwg/whereabouts and multus-cni: the file that each finding names;
encoding/json for types.
"""

from collections.abc import Iterator

from analyzer.query.cni.checks import refused, told
from analyzer.query.cni.configs import Holder, configs
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for config in configs(network):
        if config.problem and config.holder is Holder.ATTACHMENT:
            yield RULE.finding(
                config.at,
                f"the configuration of {config.title} cannot be used: {config.problem}",
                help="correct spec.config: it must be one JSON object with a type or plugins",
            )
    for one in told(network, refused):
        passed_over = one.config.holder is Holder.PASSED_OVER
        yield RULE.finding(
            one.at,
            f"{one.config.title}: {one.fault.message}",
            note=f"{one.fault.plugin} refuses it ({one.fault.source})"
            + (f"; the same on {', '.join(one.others)}" if one.others else ""),
            help=one.fault.help,
            severity=Severity.NOTE if passed_over else None,
        )


RULE = Rule("cni-config-refused", Severity.ERROR, __doc__, check)
