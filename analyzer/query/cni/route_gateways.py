"""Gateways that pods have no way to: in none of the networks of the pod's addresses, and on the link by no route of their own.

``ConfigureIface`` adds the addresses and then the routes in their order (containernetworking/plugins pkg/ipam/ipam_linux.go); the kernel refuses a
route whose gateway no route on the link reaches (net/ipv4/fib_semantics.c ``fib_check_nh``). ``ptp`` adds a route to the gateway itself (plugins/main/ptp/ptp.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analyzer.addresses import Address, Prefix
from analyzer.addresses import prefix as read_prefix
from analyzer.query.cni.address_ranges import addressed, of
from analyzer.query.cni.fields import Problem, is_network
from analyzer.query.cni.plugin import Call

LINK_SCOPE = 253


def near(call: Call, networks: Sequence[Prefix], gateway: Address) -> bool:
    """Whether pods of these networks reach a gateway without another one."""
    on_link = [item for _, item in routes(call) if of(item, "scope") == LINK_SCOPE]
    found = [*networks, *(read_prefix(text) for item in on_link if is_network(text := str(of(item, "dst"))))]
    return call.text("type") == "ptp" or not gateway.value or any(item.covers(gateway) for item in found)


def routes(call: Call) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The routes of the address management."""
    found: Any = call.get("ipam", "routes")
    for index, item in enumerate(found if isinstance(found, list) else ()):
        if isinstance(item, Mapping):
            yield index, item


def astray(call: Call, networks: Sequence[Prefix]) -> Iterator[Problem]:
    """Routes whose gateway is in none of the networks; where there are none, what pods get is not known."""
    for index, item in routes(call) if networks else ():
        gateway = addressed(item, "gw")
        if gateway is not None and not near(call, networks, gateway):
            words = ", ".join(map(str, networks))
            yield Problem(
                ("ipam", "routes", index, "gw"), f"the gateway {gateway} of this route is not in {words}: pods cannot reach it"
            )
