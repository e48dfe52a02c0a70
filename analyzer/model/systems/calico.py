"""Calico: pools that its nodes make at their first start, Felix' and BGP's configuration (projectcalico/calico api/pkg/apis/projectcalico/v3,
node/pkg/lifecycle/startup)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model.cluster import Range, Setting
from analyzer.model.systems import Objects, System
from analyzer.model.systems.reading import listing, mapping, prefixes, ranges_of, settings_of

NAME = "calico"
FIELDS = {
    "FelixConfiguration": {
        "vxlanPort": "port",
        "vxlanVNI": "vni",
        "vxlanMTU": "vxlan-mtu",
        "ipipMTU": "ipip-mtu",
        "wireguardMTU": "wireguard-mtu",
        "wireguardEnabled": "wireguard",
        "bpfEnabled": "ebpf",
        "iptablesMarkMask": "mark-mask",
    },
    "BGPConfiguration": {"asNumber": "as-number", "listenPort": "bgp-port", "nodeToNodeMeshEnabled": "mesh"},
}
VARIABLES = ("CALICO_IPV4POOL_CIDR", "CALICO_IPV6POOL_CIDR")
ENVIRONMENT = {
    "FELIX_VXLANPORT": "port",
    "FELIX_VXLANVNI": "vni",
    "FELIX_VXLANMTU": "vxlan-mtu",
    "FELIX_IPINIPMTU": "ipip-mtu",
    "FELIX_IPTABLESMARKMASK": "mark-mask",
    "CALICO_NETWORKING_BACKEND": "backend",
    "AS": "as-number",
}


def ranges(objects: Objects) -> Iterator[Range]:
    """The pools that the operator is told to make (``Installation``), and those that nodes make of their environment; where there are pools already, they make none."""
    for fact in objects.others:
        if fact.kind == "Installation" and "operator.tigera.io" in fact.api_version:
            network = mapping(mapping(fact.document.get("spec")).get("calicoNetwork"))
            for index, item in enumerate(listing(network.get("ipPools"))):
                at = fact.place("spec", "calicoNetwork", "ipPools", index, "cidr")
                for prefix in prefixes(mapping(item).get("cidr") or ""):
                    yield Range("pod", prefix, at, f"Installation {fact.name} ipPools", NAME)
    pools = any(fact.kind == "IPPool" and "projectcalico.org" in fact.api_version for fact in objects.others)
    for program in objects.programs if not pools else ():
        if program.container == "calico-node":
            for name in VARIABLES:
                yield from ranges_of("pod", program.environment.get(name), f"{name} of {program.title}", NAME)


def settings(objects: Objects) -> Iterator[Setting]:
    """Fields of the resources and variables of calico-node."""
    for fact in objects.others:
        fields = FIELDS.get(fact.kind, {}) if "projectcalico.org" in fact.api_version else {}
        spec = mapping(fact.document.get("spec"))
        for name, key in fields.items():
            if spec.get(name) is not None:
                value = spec[name]
                text = str(value).lower() if isinstance(value, bool) else str(value)
                yield Setting(NAME, key, text, fact.place("spec", name), f"{fact.kind} {fact.name}")
    for fact in objects.others:
        network = mapping(mapping(fact.document.get("spec")).get("calicoNetwork")) if fact.kind == "Installation" else {}
        if network.get("mtu") is not None and "operator.tigera.io" in fact.api_version:
            at = fact.place("spec", "calicoNetwork", "mtu")
            yield Setting(NAME, "operator-mtu", str(network["mtu"]), at, f"Installation {fact.name}")
    for program in objects.programs:
        if program.container == "calico-node":
            found = ((key, program.environment.get(name), f"{name} of {program.title}") for name, key in ENVIRONMENT.items())
            yield from settings_of(NAME, found)
    for item in objects.maps:
        if item.name in ("calico-config", "canal-config"):
            yield from settings_of(NAME, [("mtu", item.data.get("veth_mtu"), f"ConfigMap {item.name} veth_mtu")])


SYSTEM = System(NAME, ranges, settings)
