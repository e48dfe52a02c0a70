"""Constraints that several plugins have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.query.cni.fields import Problem
from analyzer.query.cni.plugin import Call

HARDWARE = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}|[0-9a-fA-F]{4}(\.[0-9a-fA-F]{4}){2}")


def needs_ipam(call: Call) -> Iterator[Problem]:
    """The plugin calls its IPAM plugin in any case (``ipam.ExecAdd``), and an empty name is none."""
    if not call.text("ipam", "type"):
        yield Problem(("ipam",), f"{call.text('type')} needs an ipam with a type: it asks that plugin for an address in any case")


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
