"""The kernel holds netfilter rules that the node's iptables cannot print, or lacks a module for them.

## What it finds
`[unsupported revision]` in the output of iptables-save, `iptables -S` or `iptables -L`: a match or target whose version this iptables, or the kernel's module, does not know.

## Why it matters
Two versions of iptables work on one node, or a kernel module is missing. A rule that cannot be printed cannot be restored either: the program that
rewrites the table loses its condition, or the whole restore fails and the rules stay as they are.

## Example
    -A KUBE-SEP-ABC -p tcp -m tcp -j DNAT [unsupported revision]

## How to mend
Use one version of iptables on the node and in the containers that write rules, or load the module (`xt_…`).

## Sources
kubernetes/kubernetes#95409, #112477, cilium/cilium#23796, k3s-io/k3s#7096.
"""

from collections.abc import Iterator

from analyzer.rule import Finding, Network, Rule, Severity, Span

MARK = "[unsupported revision]"
KINDS = frozenset({"iptables-save", "iptables-list", "pasted"})


def check(network: Network) -> Iterator[Finding]:
    for path, source in network.sources.items():
        if source.kind not in KINDS or not source.says(MARK):
            continue
        lines = [number for number, line in enumerate(source.text.split("\n"), 1) if MARK in line]
        column = source.line(lines[0]).find(MARK) + 1
        more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
        yield RULE.finding(
            Span(path, lines[0], column, lines[0], column + len(MARK)),
            f"{source.scope or path} has a rule of another version of iptables, which cannot be read{more}",
            help="use one version of iptables on the node and in the containers that write rules",
        )


RULE = Rule("rules-partly-installed", Severity.ERROR, __doc__, check)
