"""Flannel and Canal: ``net-conf.json`` of their ConfigMap and flanneld's flags (flannel-io/flannel pkg/subnet/config.go, main.go)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.kubernetes import Located
from analyzer.model.cluster import Setting
from analyzer.model.embedded import inside
from analyzer.model.systems import Objects, System
from analyzer.model.systems.reading import mapping, settings_of

NAME = "flannel"
KEY = "net-conf.json"
FIELDS = {"Type": "backend", "VNI": "vni", "Port": "port", "MTU": "mtu", "ListenPort": "port", "DirectRouting": "direct-routing"}
FLAGS = {"--iface": "interface", "--ip-masq": "masquerade", "--public-ip": "address", "--kube-subnet-mgr": "subnets-of-nodes"}


def settings(objects: Objects) -> Iterator[Setting]:
    """The backend with its options, and the flags; without a backend flannel takes udp (``parseBackendType``)."""
    for fact in objects.maps:
        if (located := fact.data.get(KEY)) is None:
            continue
        found = inside(located.value, located.at, objects.texts.get(located.at.path))
        backend, said_by = mapping(mapping(found.value).get("Backend")), f"ConfigMap {fact.name} {KEY}"
        for name, key in FIELDS.items():
            if name in backend:
                yield Setting(NAME, key, str(backend[name]), found.places.get(("Backend", name), located.at), said_by)
        if isinstance(found.value, dict) and "Type" not in backend:
            yield Setting(NAME, "backend", "udp", located.at, said_by)
    for program in objects.programs:
        flags = ((key, program.flags.get(flag), f"{flag} of {program.title}") for flag, key in FLAGS.items())
        yield from settings_of(NAME, flags) if "flannel" in program.container else ()
        masquerade: Located | None = program.environment.get("FLANNELD_IP_MASQ")
        yield from settings_of(NAME, [("masquerade", masquerade, f"FLANNELD_IP_MASQ of {program.title}")])


SYSTEM = System(NAME, settings=settings)
