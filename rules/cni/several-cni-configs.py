"""A node has several CNI configurations; the first by name wins.

## What it finds
More than one valid `.conf`, `.conflist` or `.json` in /etc/cni/net.d. What packages put there to be found last is left out: loopback, and the bridges of Podman and CRI-O behind
another file; and what Multus, first by name, calls itself: the file that it names, or the next one. Files with other endings (`.conf.cilium_bak`) are not read.

## Why it matters
Runtimes sort by bytes and take the first file that is valid (CRI-O: the first whose plugins are installed as well). A leftover of a removed CNI with an earlier name silently wins, and a removal makes another file win.

## Example
    /etc/cni/net.d/05-cilium.conflist   10-flannel.conflist

## How to mend
Remove the files of the CNI that is not in use.

## Sources
CNI specification, libcni/conf.go (ConfFiles: the endings); k8snetworkplumbingwg/multus-cni docs/configuration.md (clusterNetwork, delegates), docs/how-to-use.md (multus-master-cni-file-name); containerd/go-cni; kubernetes-sigs/kubespray#2122, projectcalico/calico#1388.
"""

from collections.abc import Iterator, Mapping, Sequence

from analyzer.query.cni.configs import CniConfigFact
from analyzer.query.cni.winners import taken_by_crio
from analyzer.rule import Finding, Network, Rule, Severity

DEFAULTS = ("podman-bridge.conflist", "podman.conflist", "crio-bridge.conf", "crio-bridge.conflist")
ENDINGS = (".conf", ".conflist", ".json", "")


def check(network: Network) -> Iterator[Finding]:
    for node, files in sorted(network.files.items()):
        valid = [config for config in files.configs if not config.problem and ending(config.file) in ENDINGS]
        wrapped = set(behind(valid))
        valid = valid[:1] + [item for item in valid[1:] if item.file not in wrapped and not unused(item)]
        if len(valid) > 1:
            winner, *losers = valid
            yield RULE.finding(
                losers[0].at,
                f"{node} has {len(valid)} CNI configurations; {winner.file} ({winner.name}) wins over {', '.join(item.file for item in losers)}",
                related=[(winner.at, "this file wins: it is first in byte order")],
                note=taken_by_crio(files, valid),
                help="remove the files of the CNI that is not in use",
            )


def ending(file: str) -> str:
    """The last ending of a file's name; empty where nothing tells a name."""
    return f".{file.rpartition('.')[2]}" if "." in file else ""


def unused(item: CniConfigFact) -> bool:
    """Whether a file is what packages put there to be found last."""
    return loopback(item.plugins) or item.file.endswith(DEFAULTS)


def loopback(plugins: Sequence[Mapping[str, object]]) -> bool:
    """Whether a file only sets up the loopback device, as every runtime does by itself."""
    return bool(plugins) and all(plugin.get("type") == "loopback" for plugin in plugins)


def behind(valid: Sequence[CniConfigFact]) -> Iterator[str]:
    """The files that the first one's plugin takes its networks from. Multus: what it names, else the next file by name; others are told elsewhere."""
    kind = str(valid[0].plugins[0].get("type")) if valid and valid[0].plugins else ""
    if kind in ("genie", "danm"):
        yield from (item.file for item in valid[1:])
    elif kind in ("multus", "multus-shim"):
        named = [item.file for item in valid[1:] if names(valid[0].plugins[0], item)]
        yield from named or [item.file for item in valid[1:2]]


def names(plugin: Mapping[str, object], item: CniConfigFact) -> bool:
    """Whether Multus' configuration names a file, by its path or by the name of its network."""
    delegates = plugin.get("delegates")
    listed = delegates if isinstance(delegates, Sequence) and not isinstance(delegates, str) else ()
    told = [plugin.get("clusterNetwork"), *(one.get("name") for one in listed if isinstance(one, Mapping))]
    return any(str(one).rpartition("/")[2] in (item.file, item.name) for one in told if one)


RULE = Rule("several-cni-configs", Severity.WARNING, __doc__, check)
