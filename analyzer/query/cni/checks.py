"""What is wrong with CNI configurations: refusals, what is hardly meant, chains and versions; each with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from analyzer.model.embedded import Path
from analyzer.model.network import Network
from analyzer.parsers.cni_config import NAME, VERSIONS
from analyzer.query.cni.configs import Config, Holder, configs, known, plugins, to_be_filled, version_key
from analyzer.query.cni.fields import Fields, Problem, lookup, unfit
from analyzer.query.cni.names import close, near_type, proper_name
from analyzer.query.cni.plugin import COMMON, RESERVED, Call, Plugin, Role
from analyzer.source import Span

# Plugins that take over what an earlier one made.
AFTER_OTHERS = ("cilium-cni", "ipvlan")
Checker = Callable[[Config], Iterable["Fault"]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem of one plugin of a configuration; ``source`` is what says so."""

    path: Path
    message: str
    source: str = ""
    plugin: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A fault, once for all nodes that have it: the configuration and place of the first, and the titles of the others."""

    config: Config
    fault: Fault
    at: Span
    others: tuple[str, ...] = ()


def told(network: Network, check: Checker) -> list[Told]:
    """The faults of all configurations. Files of equal name with an equal fault are one."""
    found: dict[tuple[object, ...], list[tuple[Config, Fault]]] = {}
    for config in configs(network):
        if config.problem:
            continue
        for fault in check(config):
            file = config.title.partition(" on ")[0] if config.node else config.title
            found.setdefault((file, config.holder, fault), []).append((config, fault))
    return [
        Told(first, fault, first.place(fault.path), tuple(config.node or config.title for config, _ in rest))
        for (first, fault), *rest in found.values()
    ]


def refused(config: Config) -> Iterator[Fault]:
    """What makes a plugin end with an error, whatever pod it is called for."""
    yield from refused_before(config)
    for call, path in config.calls:
        for plugin in known(call):
            wrong = list(unfit(dict(call.value), plugin.decoded()))
            yield from faults(wrong, path, plugin)
            if not wrong:
                yield from faults(plugin.refusals(call), path, plugin)


def refused_before(config: Config) -> Iterator[Fault]:
    """What libcni refuses when a pod is to get this network (``addNetwork``), and a version that no plugin supports. Of a node's file the runtime says
    so before."""
    if config.holder in (Holder.FILE, Holder.PASSED_OVER):
        return
    if config.version not in VERSIONS and not to_be_filled(config.version):
        source = "containernetworking/cni pkg/version/reconcile.go"
        help = f"write one of {', '.join(VERSIONS[1:])}"
        yield Fault(("cniVersion",), f"cniVersion {config.version!r} is not known", source, "every plugin", help)
    own = ("name",) in config.places and config.name and not to_be_filled(config.name)
    if own and not NAME.fullmatch(config.name):
        yield Fault(
            ("name",),
            f"the name {config.name!r} must begin with a letter or digit and hold only letters, digits, '_', '.' and '-'",
            "containernetworking/cni pkg/utils/utils.go ValidateNetworkName",
            "libcni",
            proper_name(config.name),
        )


def misspelt_types(config: Config) -> Iterator[Fault]:
    """Types of plugins that differ in one letter from one that is known."""
    for call, path in config.calls:
        for inner in (("type",), ("ipam", "type")):
            if near := near_type(kind := call.text(*inner)):
                message = f"no plugin is known by the name {kind!r}"
                yield Fault((*path, *inner), message, plugin=kind, help=f"did you mean {near!r}?")


def doubtful(config: Config) -> Iterator[Fault]:
    """What plugins take and what is yet hardly meant, misspelt fields among it."""
    for call, path in config.calls:
        for plugin in known(call):
            if not any(unfit(dict(call.value), plugin.decoded())):
                yield from faults(plugin.advice(call), path, plugin)
            yield from faults(misspelt(call, plugin), path, plugin)


def faults(found: Iterable[Problem], path: Path, plugin: Plugin) -> Iterator[Fault]:
    """Problems at their places in the whole configuration."""
    for problem in found:
        yield Fault((*path, *problem.path), problem.message, plugin.source, plugin.types[0], problem.help)


def misspelt(call: Call, plugin: Plugin) -> Iterator[Problem]:
    """Fields that no plugin reads and that differ in one letter from one that this plugin reads and that is not there."""
    value = call.get("ipam") if plugin.role is Role.IPAM else call.value
    names = plugin.fields if plugin.role is Role.IPAM else {**COMMON, **plugin.fields}
    if not isinstance(value, Mapping):
        return
    free = [name for name in names if lookup(value, name) is None]
    read = {name.lower() for name in names} | {name.lower() for name in RESERVED}
    for key in value:
        near = [name for name in free if isinstance(key, str) and key.lower() not in read and close(key.lower(), name.lower())]
        if near:
            path: Path = ("ipam", key) if plugin.role is Role.IPAM else (key,)
            yield Problem(path, f"{key!r} is read by no one", f"did you mean {near[0]!r}?")


def chained(config: Config) -> Iterator[Fault]:
    """What is wrong with the order of plugins."""
    first = ""
    for call, path in config.calls:
        plugin, name = plugins().get(call.text("type")), call.text("type")
        if plugin is None or path[-1:] == ("delegate",):
            continue
        if plugin.role is Role.IPAM:
            yield Fault(
                (*path, "type"),
                f"{name} hands out addresses for another plugin: it belongs into that plugin's ipam",
                plugin.source,
            )
        elif plugin.chained and call.index == 0:
            yield Fault((*path, "type"), f"{name} changes what an earlier plugin made, and stands first", plugin.source)
        elif plugin.role is Role.MAIN and call.index and first and name not in AFTER_OTHERS:
            yield Fault((*path, "type"), f"{name} makes an interface of the same name as {first} before it", plugin.source)
        if call.index == 0:
            first = name if plugin.role is Role.MAIN else ""


def too_old(config: Config) -> Iterator[Fault]:
    """Plugins that do not support the version of the specification."""
    for call, path in config.calls:
        for plugin in known(call):
            if version_key(config.version) < version_key(plugin.oldest):
                words = f"cniVersion {config.version}" if config.version else "a configuration without cniVersion"
                yield Fault(
                    (*path, "type"),
                    f"{plugin.types[0]} does not support {words}: it wants {plugin.oldest} or later",
                    plugin.source,
                )


def without_capability(config: Config) -> Iterator[Fault]:
    """Plugins for an argument of the runtime that is never given to them."""
    for call, path in config.calls:
        plugin = plugins().get(call.text("type"))
        if plugin is None or not plugin.capability or call.get("capabilities", plugin.capability) is True:
            continue
        if plugin.capability == "bandwidth" and (call.number("ingressRate") or call.number("egressRate")):
            continue
        yield Fault(
            path,
            f"{plugin.types[0]} does not declare the capability {plugin.capability}: the runtime tells it nothing",
            plugin.source,
        )


def active(network: Network) -> Iterator[Config]:
    """The configurations that pods are made with: those that nodes take, and attachments."""
    return (item for item in configs(network) if item.holder in (Holder.FILE, Holder.ATTACHMENT) and not item.problem)


__all__ = [
    "Fault",
    "Fields",
    "Told",
    "active",
    "chained",
    "doubtful",
    "misspelt_types",
    "refused",
    "told",
    "too_old",
    "without_capability",
]
