"""Tests of the type of service and of groups of devices in the language (net/netfilter/xt_dscp.c, xt_ecn.c, xt_devgroup.c)."""

from __future__ import annotations

from collections.abc import Callable

from analyzer.facts.matches import DeviceGroupMatch, TypeOfServiceMatch
from analyzer.model.network import Namespace
from analyzer.model.service_types import UNCHANGED, service_type_changes
from analyzer.ranges import normalised
from analyzer.transfer.ir import ALWAYS, NEVER, All, Any, Field, In, Match, Not
from analyzer.transfer.space import Context

Opaquely = Callable[[str], Match]
"""A test that is not known, from its words."""


def type_of_service(match: TypeOfServiceMatch, context: Context, asked: Opaquely) -> Match:
    """``tos``, ``dscp``, ``ecn``."""
    words = f"the type of service is {match.value:#x}/{match.mask:#x}"
    own = served(ALWAYS if match.value == 0 else NEVER, words, context, asked)
    return Not(own) if match.negated else own


def served(plain: Match, words: str, context: Context, asked: Opaquely) -> Match:
    """A test of the type of service: as of packets with 0, where nothing sets it; else it is not followed."""
    made = context.made
    if "the type of service changes" not in made:
        made["the type of service changes"] = service_type_changes(context.network)
    if made["the type of service changes"]:
        return asked(words)
    context.assume(UNCHANGED)
    return plain


def device_group(match: DeviceGroupMatch, context: Context, space: Namespace, asked: Opaquely) -> Match:
    """``devgroup``."""
    words = f"the group of the device is {match.value:#x}/{match.mask:#x}"
    own = grouped(match.incoming, lambda group: group & match.mask == match.value, context, space, lambda: asked(words))
    return Not(own) if match.negated else own


def grouped(
    incoming: bool, wanted: Callable[[int], bool], context: Context, space: Namespace, asked: Callable[[], Match]
) -> Match:
    """The devices of some groups; of those whose group is not known it is open."""
    field, names = (Field.IN_INTERFACE if incoming else Field.OUT_INTERFACE), context.names
    links = space.links.values()
    known = [names.number(link.name) for link in links if link.group is not None and wanted(link.group)]
    others = [names.number(link.name) for link in links if link.group is None]
    own = In(field, normalised((number, number) for number in known)) if known else NEVER
    return Any((own, All((In(field, normalised((one, one) for one in others)), asked())))) if others else own
