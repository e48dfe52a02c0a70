"""Terway's ``eni_conf``: what its daemon refuses (AliyunContainerService/terway types/daemon/config.go, ``Validate``)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model.embedded import inside
from analyzer.model.network import Network
from analyzer.query.cni.fields import NUMBER, TEXT, TEXTS, TRUTH, Fields, Table, is_network, unfit
from analyzer.query.refusals import Refusal

KEY = "eni_conf"
WORDS = {
    "ip_stack": ("ipv4", "ipv6", "dual"),
    "ipam_type": ("default", "crd", "preferCRD"),
    "vswitch_selection_policy": ("random", "ordered", "most"),
}
FIELDS = Fields(
    {
        "version": TEXT,
        "service_cidr": TEXT,
        "vswitches": Table(TEXTS),
        "security_group": TEXT,
        "security_groups": TEXTS,
        "max_pool_size": NUMBER,
        "min_pool_size": NUMBER,
        "ip_stack": TEXT,
        "enable_eni_trunking": TRUTH,
    }
)
GROUPS_MOST = 10


def refusals(network: Network) -> Iterator[Refusal]:
    """What makes the daemon end."""
    for _, fact in sorted(network.cluster.config_maps.items()):
        if (located := fact.data.get(KEY)) is None:
            continue
        found = inside(located.value, located.at, network.sources.get(located.at.path))
        if not isinstance(found.value, dict):
            yield Refusal(
                found.places.get((), located.at), f"{KEY} is no JSON object{': ' + found.problem if found.problem else ''}"
            )
            continue
        problems = [(problem.path, problem.message) for problem in unfit(found.value, FIELDS)]
        for path, message in problems or list(wrong(found.value)):
            yield Refusal(found.places.get(path, located.at), message)


def wrong(value: dict[str, object]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with the values."""
    services = str(value.get("service_cidr") or "")
    for part in services.split(",") if services else ():
        if not is_network(part.strip()):
            yield ("service_cidr",), f"service_cidr {part!r} is no network"
    for key, known in WORDS.items():
        if value.get(key) and value[key] not in known:
            yield (key,), f"{key} {value[key]!r} is none of {', '.join(known)}"
    most, least = value.get("max_pool_size", 5), value.get("min_pool_size", 0)
    if isinstance(most, int) and isinstance(least, int) and most < least:
        yield ("max_pool_size",), f"max_pool_size {most} is less than min_pool_size {least}"
    groups = value.get("security_groups")
    if isinstance(groups, list) and len(groups) > GROUPS_MOST:
        yield ("security_groups",), f"there are more than {GROUPS_MOST} security groups"
