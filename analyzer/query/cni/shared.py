"""Constraints that several plugins have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.query.cni.fields import Problem
from analyzer.query.cni.plugin import Call

DEVICE_NAME_MOST = 15
HARDWARE = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}|[0-9a-fA-F]{4}(\.[0-9a-fA-F]{4}){2}")


def needs_ipam(call: Call) -> Iterator[Problem]:
    """The plugin calls its IPAM plugin in any case (``ipam.ExecAdd``), and an empty name is none."""
    if not call.text("ipam", "type"):
        yield Problem(("ipam",), f"{call.text('type')} needs an ipam with a type: it asks that plugin for an address in any case")


def veth_mtu(call: Call) -> Iterator[Problem]:
    """An MTU that the kernel does not give a veth pair (ETH_MIN_MTU, ETH_MAX_MTU); one that is not positive is its default."""
    mtu = call.number("mtu")
    if mtu > 0 and not 68 <= mtu <= 65535:
        yield Problem(("mtu",), f"mtu {mtu} is not between 68 and 65535, which are a veth pair's least and most")


def masquerade_backend(call: Call) -> Iterator[Problem]:
    """A back end that ``SetupIPMasqForNetworks`` does not know; it is asked with ``ipMasq`` alone, and an empty text is one it does not know."""
    backend = call.get("ipMasqBackend")
    if call.truth("ipMasq") and isinstance(backend, str) and backend not in ("iptables", "nftables"):
        yield Problem(("ipMasqBackend",), f"ipMasqBackend {backend!r} is none of iptables, nftables")


def device_name(call: Call, key: str) -> Iterator[Problem]:
    """A name that no device can have (``dev_valid_name``, IFNAMSIZ): too long, with a slash, a colon or a blank."""
    text = call.text(key)
    if len(text.encode()) > DEVICE_NAME_MOST or re.search(r"[/:\s]", text) or text in (".", ".."):
        yield Problem((key,), f"{key} {text!r} can be no device's name")


def lower_mtu(call: Call) -> Iterator[Problem]:
    """An MTU that is negative. Whether it is at most the master's is seen where the node was captured."""
    if call.number("mtu") < 0:
        yield Problem(("mtu",), f"mtu {call.number('mtu')} is negative")


def hardware(call: Call, *path: str) -> Iterator[Problem]:
    """A hardware address that ``net.ParseMAC`` does not take."""
    text = call.text(*path)
    if text and not HARDWARE.fullmatch(text):
        yield Problem(path, f"{text!r} is no hardware address")


def one_of(call: Call, key: str, known: tuple[str, ...]) -> Iterator[Problem]:
    """A word that is none of those that the plugin knows; an empty one is its default."""
    text = call.text(key)
    if text and text not in known:
        yield Problem((key,), f"{key} {text!r} is none of {', '.join(known)}")
