"""Frames of hosts outside the capture, whose MAC is not known: SOURCE_MAC 0, from a device that leads outside."""

from __future__ import annotations

from collections.abc import Callable

from analyzer.addresses import hardware_text
from analyzer.model.network import Interface, Namespace
from analyzer.ranges import normalised, single
from analyzer.transfer.ir import NEVER, All, Field, In, Match
from analyzer.transfer.space import Context


def from_strangers(context: Context, space: Namespace) -> Match:
    """The packets that came to a namespace from outside the capture."""
    numbers = [context.names.number(device) for device in space.links if leads_out(context, Interface(space.scope, device))]
    if not numbers:
        return NEVER
    return All((In(Field.SOURCE_MAC, single(0)), In(Field.IN_INTERFACE, normalised((number, number) for number in numbers))))


def of_strangers(mac: int, context: Context, open_test: Callable[[str], Match]) -> Match:
    """Whether such a host has a MAC: not where an interface of the capture has it."""
    words = f"the host outside the capture that the packet comes from has the MAC {hardware_text(mac)}"
    return NEVER if context.hardware[mac] else open_test(words)


def leads_out(context: Context, at: Interface) -> bool:
    """Whether an interface, a port of it or the device under it leads outside."""
    outside, under = context.network.outside, context.network.lower.get(at)
    ports = (Interface(at.scope, port) for port in context.ports.get(at, ()))
    return at in outside or under in outside or any(port in outside for port in ports)
