"""``static``: addresses that the configuration names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analyzer.addresses import prefix as read_prefix
from analyzer.query.cni.address_ranges import addressed
from analyzer.query.cni.fields import ADDRESS, NETWORK, NUMBER, TEXT, TEXTS, Fields, Many, Problem, is_network
from analyzer.query.cni.plugin import Call, Plugin, Role
from analyzer.query.cni.route_gateways import astray, near

ROUTE = Fields(
    {"dst": NETWORK, "gw": ADDRESS, "mtu": NUMBER, "advmss": NUMBER, "priority": NUMBER, "table": NUMBER, "scope": NUMBER}
)
OLD = ("", "0.1.0", "0.2.0")


def refusals(call: Call) -> Iterator[Problem]:
    """``LoadIPAMConfig``."""
    families: list[int] = []
    for index, text in texts(call):
        if not is_network(text):
            yield Problem(
                ("ipam", "addresses", index, "address"),
                f"address {text!r} is no address with a prefix length, such as 10.0.0.5/24",
            )
        else:
            families.append(6 if ":" in text else 4)
    if call.version in OLD and len(families) != len(set(families)):
        yield Problem(("ipam", "addresses"), f"cniVersion {call.version or 'that is absent'} has one address of a family")


def texts(call: Call) -> Iterator[tuple[int, str]]:
    """The addresses as they are written."""
    found: Any = call.get("ipam", "addresses")
    for index, item in enumerate(found if isinstance(found, list) else ()):
        if isinstance(item, dict):
            text = item.get("address", "")
            yield index, text if isinstance(text, str) else ""


def advice(call: Call) -> Iterator[Problem]:
    """Gateways outside the networks of all addresses. Where a runtime may give more addresses, more may be near."""
    found = {index: read_prefix(text) for index, text in texts(call) if is_network(text)}
    networks = list(dict.fromkeys(found.values()))
    if call.get("capabilities", "ips") is True or not networks:
        return
    for index, prefix in found.items():
        gateway = addressed(call.get("ipam", "addresses")[index], "gateway")
        if gateway is not None and not near(call, networks, gateway):
            yield Problem(
                ("ipam", "addresses", index, "gateway"), f"the gateway {gateway} is not in {prefix}: pods cannot reach it"
            )
    yield from astray(call, networks)


PLUGIN = Plugin(
    types=("static",),
    role=Role.IPAM,
    source="containernetworking/plugins plugins/ipam/static/main.go",
    fields={
        "addresses": Many(Fields({"address": TEXT, "gateway": ADDRESS})),
        "routes": Many(ROUTE),
        "dns": Fields({"nameservers": TEXTS, "domain": TEXT, "search": TEXTS, "options": TEXTS}),
    },
    refusals=refusals,
    advice=advice,
)
