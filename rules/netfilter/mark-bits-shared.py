"""Two systems mark packets with the same bits.

## What it finds
Mark bits of kube-proxy and the kubelet (`iptablesMasqueradeBit`, 14 and 15), Calico (`iptablesMarkMask`), kube-router's firewall and Weave's, of which two that are configured share one. And on a node, beside the
rule by which kube-proxy marks (`KUBE-MARK-MASQ`): routing rules that hold for that mark alone, and rules of others that set the same bit.

## Why it matters
What one system marks for its own purpose another takes for its own: packets are masqueraded that should not be, or pass a policy that forbids them.

## Example
    FelixConfiguration: iptablesMarkMask: 0xffffff00          # and kube-proxy marks with 0x4000

## How to mend
Give Calico a mask without those bits, or run one of the two policy engines only.

## Sources
projectcalico/calico felix/config (IptablesMarkMask 0xffff0000); cloudnativelabs/kube-router pkg/controllers/netpol (0x10000, 0x20000); weaveworks/weave npc (0x40000); kubernetes pkg/proxy (0x4000).
"""

from collections.abc import Iterator
from itertools import combinations

from analyzer.query.state import roots
from analyzer.query.systems.marks import marks
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one, two in combinations(marks(network), 2):
        common = one.bits & two.bits
        if common and one.system != two.system:
            yield RULE.finding(
                two.at,
                f"{two.system} and {one.system} both mark packets with {hex(common)}",
                related=[(one.at, f"{one.system} uses {hex(one.bits)}")],
                help="give one of them other bits",
            )
    if network.namespaces:
        yield from used(network)


def used(network: Network) -> Iterator[Finding]:
    """Rules of nodes that use kube-proxy's bits otherwise; what reads them is imported where there are any."""
    from analyzer.query.mark_users import bits, users

    for root in roots(network):
        for bit in bits(root):
            for user in users(root, bit.value):
                yield RULE.finding(
                    user.at,
                    f"a rule of {root.scope.node} {user.words} ({hex(bit.value)})",
                    related=[(bit.at, f"kube-proxy marks what it masquerades with {hex(bit.value)}")],
                    help="give the other owner of this rule another bit, or kube-proxy another iptablesMasqueradeBit",
                    certain=False,
                )


RULE = Rule("mark-bits-shared", Severity.WARNING, __doc__, check)
