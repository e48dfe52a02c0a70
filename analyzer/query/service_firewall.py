"""Whether anything accepts forwarded packets before kube-proxy's rules for the sources of load balancers are asked.

Source: cloudnativelabs/kube-router pkg/controllers/netpol/network_policy_controller.go (ensureExplicitAccept: mark 0x20000); kubernetes
pkg/proxy/iptables/proxier.go (kubeProxyFirewallChain drops what a load balancer's source ranges do not name).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.facts.matches import MarkMatch
from analyzer.facts.netfilter import Jump, NfRule
from analyzer.model.network import Namespace
from analyzer.query.tables import accepts, rulesets
from analyzer.source import Span

ADMITTED = 0x20000
FIREWALL, ROUTER = "KUBE-PROXY-FIREWALL", "KUBE-ROUTER-FORWARD"


class Passed(NamedTuple):
    """The accept, the jump behind it, and the first rule that is never asked."""

    accept: Span
    jump: Span
    rule: Span


def passed_by(root: Namespace) -> Iterator[Passed]:
    """FORWARD of each back end where kube-router's accept stands before kube-proxy's firewall."""
    for family in (4, 6):
        for ruleset in rulesets(root, family):
            table = ruleset.tables.get("filter", {})
            firewall, forward = table.get(FIREWALL), table.get("FORWARD")
            if firewall is None or forward is None or not len(firewall.rules):
                continue
            router = table.get(ROUTER)
            inside = router is not None and any(map(admits, router.rules))
            early = None
            for rule in forward.rules:
                if jumps(rule, FIREWALL):
                    if early is not None:
                        yield Passed(early, rule.at, firewall.rules[0].at)
                    break
                if admits(rule) or (inside and jumps(rule, ROUTER)):
                    early = early or rule.at


def admits(rule: NfRule) -> bool:
    """Whether a rule accepts what kube-router's policies admitted, by the mark alone."""
    marks = [one for one in rule.matches if isinstance(one, MarkMatch)]
    whole = len(marks) == len(rule.matches) == 1 and not marks[0].negated and not marks[0].connection
    return accepts(rule) and whole and marks[0].value == marks[0].mask == ADMITTED


def jumps(rule: NfRule, chain: str) -> bool:
    """Whether a rule leads to a chain."""
    return isinstance(rule.target, Jump) and rule.target.chain == chain
