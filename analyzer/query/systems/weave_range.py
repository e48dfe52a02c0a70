"""What Weave's containers end of at their start (weaveworks/weave prog/weave-kube/launch.sh, net/address/address.go ``ParseCIDR``, ipam/allocator.go
``ParseCIDRSubnet``)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model.network import Network
from analyzer.query.refusals import Refusal, host_bits, network_in
from analyzer.query.systems.kubernetes import settings
from analyzer.query.validation.values import PLACEHOLDER

LONGEST = 30
"""ipam's ``MinSubnetSize`` is four addresses: the first and the last go to nobody."""


def refusals(network: Network) -> Iterator[Refusal]:
    """Ranges and MTUs that are refused; texts that are still to be filled in are left out."""
    for item in settings(network, "weave", "range"):
        if not PLACEHOLDER.search(item.value) and (words := wrong(item.value.strip())):
            yield Refusal(item.at, f"IPALLOC_RANGE {words}")
    for item in settings(network, "weave", "mtu"):
        if not PLACEHOLDER.search(item.value) and not (item.value.isascii() and item.value.isdigit()):
            yield Refusal(item.at, f"WEAVE_MTU {item.value!r} is no number of bytes such as 1376")


def wrong(text: str) -> str:
    """Why a text is no range for Weave; empty where it is one."""
    found = network_in(text)
    if found is None:
        return f"{text!r} is no network such as 10.32.0.0/12"
    if found.family != 4:
        return f"{found} is not of IPv4, which is all that Weave's addresses are"
    if found.length > LONGEST:
        return f"{text} has less than four addresses, of which the first and the last go to no pod: a /{LONGEST} is the smallest"
    if host_bits(text):
        return f"{text} has bits set behind its length: the network is {found}"
    return ""
