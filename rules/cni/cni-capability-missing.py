"""What pods ask of the network has no plugin that would do it.

## What it finds
portmap or bandwidth without the capability that makes the runtime tell them what pods ask for; and nodes whose chain has no portmap although pods there have host ports, where the network
system leaves host ports to it.

## Why it matters
Host ports and limits of bandwidth are silently not set: nothing listens on the node's port.

## Example
    {"type": "portmap", "snat": true}          # without "capabilities": {"portMappings": true}

## How to mend
Add `"capabilities": {"portMappings": true}` (`{"bandwidth": true}`), or the plugin.

## Sources
CNI CONVENTIONS.md, dynamic plugin-specific fields; projectcalico/calico#3412, containernetworking/plugins#683.
"""

from collections.abc import Iterator

from analyzer.query.cni.checks import told, without_capability
from analyzer.query.cni.configs import Config, Holder, configs
from analyzer.query.state import pods_by_name
from analyzer.rule import Finding, Network, Rule, Severity

LEFT_TO_PORTMAP = ("bridge", "calico", "flannel", "ipvlan", "macvlan", "ptp", "weave-net")


def check(network: Network) -> Iterator[Finding]:
    for one in told(network, without_capability):
        if one.config.holder is not Holder.PASSED_OVER:
            yield RULE.finding(
                one.at,
                f"{one.config.title}: {one.fault.message}",
                note=f"the same on {', '.join(one.others)}" if one.others else "",
                help="declare the capability",
            )
    taken = {config.node: config for config in configs(network) if config.holder is Holder.FILE}
    for node, config in sorted(taken.items()):
        kinds = [call.text("type") for call, _ in config.calls]
        if kinds and kinds[0] in LEFT_TO_PORTMAP and "portmap" not in kinds and "cilium-cni" not in kinds:
            yield from host_ports(network, node, config)


def host_ports(network: Network, node: str, config: Config) -> Iterator[Finding]:
    """The first pod of a node that asks for a host port."""
    for pod in pods_by_name(network):
        here = network.node_names.get(pod.node, pod.node) == node
        port = next((item for item in pod.ports if item.host_port), None)
        if here and port is not None and not pod.host_network and not pod.finished:
            yield RULE.finding(
                config.at,
                f"{config.title} has no portmap, so that host port {port.host_port} of pod {pod.namespace}/{pod.name} leads nowhere",
                related=[(port.at, "the host port is asked for here")],
                help='add {"type": "portmap", "capabilities": {"portMappings": true}} to the chain',
                severity=Severity.ERROR,
            )
            return


RULE = Rule("cni-capability-missing", Severity.WARNING, __doc__, check)
