"""A node has several CNI configurations; the first by name wins.

## What it finds
More than one valid `.conf`, `.conflist` or `.json` in /etc/cni/net.d. What packages put there to be found last is left out: loopback, and the bridges of Podman and CRI-O behind
another file.

## Why it matters
Runtimes sort by bytes and take the first file that is valid (CRI-O: the first whose plugins are installed as well). A leftover of a removed CNI with an earlier name silently wins, and a removal makes another file win.

## Example
    /etc/cni/net.d/05-cilium.conflist   10-flannel.conflist

## How to mend
Remove the files of the CNI that is not in use.

## Sources
CNI specification, libcni/conf.go; containerd/go-cni; kubernetes-sigs/kubespray#2122, projectcalico/calico#1388.
"""

from collections.abc import Iterator, Mapping, Sequence

from analyzer.query.cni.winners import taken_by_crio
from analyzer.rule import Finding, Network, Rule, Severity

DEFAULTS = ("podman-bridge.conflist", "podman.conflist", "crio-bridge.conf", "crio-bridge.conflist")


def check(network: Network) -> Iterator[Finding]:
    for node, files in sorted(network.files.items()):
        valid = [config for config in files.configs if not config.problem]
        valid = valid[:1] + [item for item in valid[1:] if not loopback(item.plugins) and not item.file.endswith(DEFAULTS)]
        if len(valid) > 1:
            winner, *losers = valid
            yield RULE.finding(
                losers[0].at,
                f"{node} has {len(valid)} CNI configurations; {winner.file} ({winner.name}) wins over {', '.join(item.file for item in losers)}",
                related=[(winner.at, "this file wins: it is first in byte order")],
                note=taken_by_crio(files, valid),
                help="remove the files of the CNI that is not in use",
            )


def loopback(plugins: Sequence[Mapping[str, object]]) -> bool:
    """Whether a file only sets up the loopback device, as every runtime does by itself."""
    return bool(plugins) and all(plugin.get("type") == "loopback" for plugin in plugins)


RULE = Rule("several-cni-configs", Severity.WARNING, __doc__, check)
