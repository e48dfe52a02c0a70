"""Packets of pods to public addresses keep the pods' own source, because too wide a network is left out of masquerading.

## What it finds
Networks that are excluded from masquerading (ip-masq-agent's `nonMasqueradeCIDRs`, Cilium's `ipv4-native-routing-cidr`, `! -d <network> … -j MASQUERADE` in POSTROUTING) and hold public addresses, while no network of the
cluster does: `172.0.0.0/8` for `172.16.0.0/12`, `192.0.0.0/8`, `10.0.0.0/7`. All of IPv4 (`0.0.0.0/0`), private and other special networks, and public networks that nodes or pods are in, are not told.

## Why it matters
Answers from the public addresses in it go to the pod's address, which nobody routes: some sites cannot be reached from pods, all others can.

## Example
    -A CILIUM_POST_nat -s 172.16.5.0/24 ! -d 172.0.0.0/8 -j MASQUERADE

## How to mend
Write the network that is meant: 172.16.0.0/12, 192.168.0.0/16, or the cluster's own.

## Sources
cilium/cilium#10939, #24000; kubernetes-sigs/ip-masq-agent README; IANA IPv4 Special-Purpose Address Registry (RFC 6890).
"""

from collections.abc import Iterator

from analyzer.query.exclusions import too_wide
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in too_wide(network):
        yield RULE.finding(
            one.at,
            f"{one.said_by} leaves {one.prefix} out of masquerading, and there are public addresses in it",
            note="fine where these addresses are of networks that know the pods",
            help="leave out the private network that is meant, or the cluster's own",
            certain=False,
        )


RULE = Rule("masquerade-exclusion-too-wide", Severity.WARNING, __doc__, check)
