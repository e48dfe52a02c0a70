"""A node's firewall drops the packets that its tunnels send or receive.

## What it finds
A VXLAN, Geneve, IP-in-IP or GRE packet from one node's tunnel address to another's that a rule, or the policy of a chain, drops on its way: sent through OUTPUT of
the sender and PREROUTING and INPUT of the receiver, in every table of both back ends.

## Why it matters
Everything between pods of the two nodes travels in such packets. The nodes reach each other, `ping` between them works, and pods of different nodes do not.

## Example
    :INPUT DROP [0:0]
    -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT        # and nothing accepts UDP 8472

## How to mend
Accept the tunnel's port or protocol from the other nodes (`iptables -I INPUT -p udp --dport 8472 -s <nodes> -j ACCEPT`), in the firewall that put the rule there.

## Sources
k3s-io/k3s#24, #2768, projectcalico/calico#2700, kubernetes-sigs/kubespray#2877; flannel, Documentation/troubleshooting.md (Firewalls).
"""

from collections.abc import Iterator

from analyzer.query.underlay import Leg, dropped, legs
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    told = set()
    for leg in legs(network):
        loss = dropped(network, leg)
        if loss is None or loss.at in told:
            continue
        told.add(loss.at)
        yield RULE.finding(
            loss.at,
            f"packets of {leg.device.link.name} {way(leg)} are lost: {loss.reason}",
            related=[
                (
                    leg.device.link.at,
                    f"{leg.device.link.name} sends {leg.packet}"
                    if not leg.incoming
                    else f"{leg.device.link.name} waits for {leg.packet}",
                )
            ],
            help="accept the tunnel's packets from the other nodes before this rule",
            certain=loss.certain,
        )


def way(leg: Leg) -> str:
    """The direction, in words."""
    node = leg.device.interface.scope.node
    return f"from {leg.peer} to {node}" if leg.incoming else f"from {node} to {leg.peer}"


RULE = Rule("tunnel-packets-dropped", Severity.ERROR, __doc__, check)
