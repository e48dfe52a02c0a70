"""A plugin that the CNI configuration names is not installed, or the configuration is not valid.

## What it finds
Types of the winning configuration (its plugins, their `ipam.type` and `delegate.type`) that the list of /opt/cni/bin lacks, also of networks that pods ask for; and files that a runtime would reject. A
rejected file behind the one that wins is a note: it is not read. Also types, installed nowhere, that differ in one letter from a plugin that is known.

## Why it matters
No pod gets a network: they stay in ContainerCreating. containerd stops at the first file that it rejects, and the node has no network at all; CRI-O goes on to the next.

## Example
    "type": "flannel"          # and /opt/cni/bin has no flannel

## How to mend
Install the binary (the CNI's init container does), or correct the file.

## Sources
flannel-io/flannel#1730, kubernetes/kubernetes#48798, #103324; CNI specification section 2; containerd/go-cni opts.go (loadFromConfDir), cri-o/ocicni pkg/ocicni (loadNetworks).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.query.cni.attachments import requests
from analyzer.query.cni.checks import misspelt_types, told
from analyzer.query.cni.configs import CniConfigFact, Holder, configs, of_a_node
from analyzer.query.cni.names import near_type, proper_name
from analyzer.query.wanted_pods import workloads
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    found = [*attached(network), *of_files(network)]
    yield from found
    told_already = {one.at for one in found}
    yield from (one for one in misspelt(network) if one.at not in told_already)


def of_files(network: Network) -> Iterator[Finding]:
    """The files of nodes: what their runtimes reject, and plugins that they lack."""
    for node, files in sorted(network.files.items()):
        winner = next((config for config in files.configs if not config.problem), None)
        for config in files.configs:
            if config.problem:
                yield refused(node, config, behind=winner is not None and config.file > winner.file)
        if winner is not None and files.plugins is not None:
            yield from lacking(node, winner, {plugin.name for plugin in files.plugins})


def refused(node: str, config: CniConfigFact, *, behind: bool) -> Finding:
    """A file that the runtime does not take; ``behind``: another comes first, so that it does not matter."""
    return RULE.finding(
        config.problem_at,
        f"{node if of_a_node(config.at) else 'the runtime'} rejects {config.file}: {config.problem}",
        note="it is not read, since another file comes first" if behind else "containerd stops here, CRI-O takes the next file",
        help=proper_name(config.name) if config.problem.startswith("the name ") else "correct or remove the file",
        severity=Severity.NOTE if behind else None,
    )


def lacking(node: str, winner: CniConfigFact, installed: set[str]) -> Iterator[Finding]:
    """The plugins of the file that counts which are not in the node's folder of plugins."""
    for index, plugin in enumerate(winner.plugins):
        for path, kind in types(plugin):
            if kind not in installed:
                yield RULE.finding(
                    winner.places.get(("plugins", index, *path)) or winner.places.get(path) or winner.at,
                    f"{winner.file} on {node} names the plugin {kind!r}, which is not installed",
                    note="containerd takes the file all the same; CRI-O passes over it to the next",
                    help=meant(kind) or f"install {kind} into the plugin folder of {node}",
                )


def attached(network: Network) -> Iterator[Finding]:
    """Plugins of the networks that pods ask for, on the nodes whose plugins were listed."""
    wanted = {(request.namespace, request.name) for item in workloads(network) for request in requests(item)}
    listed = {
        node: {plugin.name for plugin in files.plugins}
        for node, files in sorted(network.files.items())
        if files.plugins is not None
    }
    for config in configs(network):
        if config.holder is not Holder.ATTACHMENT or (config.namespace, config.title.rpartition("/")[2]) not in wanted:
            continue
        for call, path in config.calls:
            for inner, kind in types(call.value):
                lacking = [node for node, installed in listed.items() if kind not in installed]
                if lacking:
                    yield RULE.finding(
                        config.place((*path, *inner)),
                        f"{config.title} names the plugin {kind!r}, which is not installed on {', '.join(lacking[:4])}",
                        help=meant(kind) or f"install {kind} into the plugin folder",
                        certain=len(lacking) == len(listed),
                    )


def misspelt(network: Network) -> Iterator[Finding]:
    """Types that are nearly those of known plugins, of which no node that was listed has one."""
    installed = {plugin.name for files in network.files.values() for plugin in files.plugins or ()}
    for one in told(network, misspelt_types):
        if one.fault.plugin in installed:
            continue
        yield RULE.finding(
            one.at,
            f"{one.config.title}: {one.fault.message}",
            note=f"the same on {', '.join(one.others[:4])}" if one.others else "",
            help=one.fault.help,
            severity=Severity.NOTE if one.config.holder is Holder.PASSED_OVER else None,
            certain=False,
        )


def meant(kind: str) -> str:
    """What to write for a type that is nearly that of a known plugin; empty where it is not."""
    return f"did you mean {near!r}?" if (near := near_type(kind)) else ""


def types(plugin: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The plugin types that one plugin object names, with their paths."""
    if isinstance(plugin.get("type"), str):
        yield ("type",), plugin["type"]
    if (
        plugin.get("type") == "flannel"
    ):  # what it delegates to where the configuration names nothing else (flannel-io/cni-plugin flannel.go)
        delegate = plugin.get("delegate")
        told = delegate if isinstance(delegate, Mapping) else {}
        yield from ((("type",), kind) for key, kind in (("type", "bridge"), ("ipam", "host-local")) if key not in told)
    for key in ("ipam", "delegate"):
        inner = plugin.get(key)
        if isinstance(inner, Mapping) and isinstance(inner.get("type"), str):
            yield (key, "type"), inner["type"]


RULE = Rule("cni-plugin-missing", Severity.ERROR, __doc__, check)
