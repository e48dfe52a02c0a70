"""Tests of the type of service and of groups of devices in the language (net/netfilter/xt_dscp.c, xt_ecn.c, xt_devgroup.c)."""

from __future__ import annotations

from collections.abc import Callable

from analyzer.facts.links import LinkFact
from analyzer.facts.matches import DeviceGroupMatch, TypeOfServiceMatch
from analyzer.facts.netfilter import SetService
from analyzer.model.network import Namespace
from analyzer.model.service_types import ROUTED, SENT, service_type_changes
from analyzer.ranges import normalised, single
from analyzer.source import Span
from analyzer.transfer.ir import KEEP, NEVER, All, Any, Assign, Bits, Choose, Field, If, In, Match, Not, Opaque, SetBits, Transfer
from analyzer.transfer.space import Context, seq

PARTS = {"dscp": (2, 0x3F), "ecn": (0, 0x03)}
"""Where the two parts of the byte are: shifts and masks."""
ALL_BITS, CLASS, CONGESTION, INHERIT = 0xFF, 0xFC, 0x03, "inherit"


def type_of_service(match: TypeOfServiceMatch, context: Context) -> Match:
    """``tos``, ``dscp``, ``ecn``."""
    own = served(match.value, match.mask, context)
    return Not(own) if match.negated else own


def served(value: int, mask: int, context: Context) -> Match:
    """Bits of the type of service, with which packets are sent as 0."""
    context.assume(SENT)
    return Bits(Field.SERVICE, mask, value) if not value & ~mask else NEVER


def routed_by_service(context: Context, space: Namespace, wanted: int, at: Span) -> Match:
    """The packets that are routed by a type of service. In IPv6 that is open of what a host sends itself: sockets and answers ask for other routes than what is
    routed again (net/ipv6/icmp.c ``icmpv6_echo_reply``, net/ipv6/netfilter.c ``ip6_route_me_harder``)."""
    own = served(wanted, ROUTED[context.family], context)
    if context.family == 4:
        return own
    words = f"{space.scope}: the packet is routed by its type of service {wanted:#x}"
    return All((own, Any((Not(In(Field.IN_INTERFACE, single(0))), Opaque(words, at)))))


def part_of_service(name: str, values: tuple[int, int], context: Context, mask: int = 0x3F, flip: int = 0) -> Match:
    """nft's ``dscp`` and ``ecn``, of which some bits are asked for."""
    shift, whole = PARTS[name]
    numbers = (number for number in range(whole + 1) if not number & ~(mask & whole))
    held = [number for number in numbers if values[0] <= number ^ flip <= values[1]]
    return Any(tuple(served(number << shift, (mask & whole) << shift, context) for number in held))


def changed_service(given: SetService, context: Context, label: str, at: Span | None) -> Transfer:
    """xt_DSCP.c ``tos_tg`` and ``dscp_tg``, nft_payload.c."""
    if given.family not in (None, context.family):
        return KEEP
    if given.value is None:
        words = f"{label}: which type of service the packet gets is not known"
        return Choose(Field.SERVICE, ((0, 255),), at, words)
    return SetBits(Field.SERVICE, given.mask, given.value, at)


def in_a_tunnel(around: Transfer, written: str, context: Context, label: str) -> Transfer:
    """What a tunnel sends, with its type of service: ECN's bits are those of the packet inside (include/net/inet_ecn.h ``INET_ECN_encapsulate``). What that of
    the packet inside is then is not followed, but that it is 0."""
    made = context.made
    if "the type of service changes" not in made:
        made["the type of service changes"] = service_type_changes(context.network)
    own = 0 if written in ("", INHERIT) else int(written, 16) & CLASS
    known = seq(around, Assign(Field.SERVICE, own)) if own else around
    if not made["the type of service changes"]:
        return known
    open_one = Choose(Field.SERVICE, ((0, 255),), None, f"the type of service of what {label} sends is that of the packet inside")
    asked = ALL_BITS if written == INHERIT else CONGESTION
    return If(Bits(Field.SERVICE, asked, 0), known, seq(around, open_one))


def device_group(match: DeviceGroupMatch, context: Context, space: Namespace, asked: Callable[[str], Match]) -> Match:
    """``devgroup``."""
    words = f"the group of the device is {match.value:#x}/{match.mask:#x}"
    wanted = of_devices(group_number, lambda group: group & match.mask == match.value)
    own = numbered(match.incoming, wanted, context, space, lambda: asked(words))
    return Not(own) if match.negated else own


def group_number(link: LinkFact) -> int | None:
    """The group of a device."""
    return link.group


def type_number(link: LinkFact) -> int | None:
    """The type of a device (nft_meta.c ``nft_meta_get_eval_iftype``)."""
    return link.hardware_type


def of_devices(number: Callable[[LinkFact], int | None], wanted: Callable[[int], bool]) -> Callable[[LinkFact], bool | None]:
    """Whether a device has one of the numbers that are asked for; None where its number is not known."""

    def told(link: LinkFact) -> bool | None:
        found = number(link)
        return None if found is None else wanted(found)

    return told


def numbered(
    incoming: bool, wanted: Callable[[LinkFact], bool | None], context: Context, space: Namespace, asked: Callable[[], Match]
) -> Match:
    """The devices of some groups, or types; of those of which that is not known it is open."""
    field, names = (Field.IN_INTERFACE if incoming else Field.OUT_INTERFACE), context.names
    links = space.links.values()
    known = [names.number(link.name) for link in links if wanted(link)]
    others = [names.number(link.name) for link in links if wanted(link) is None]
    own = In(field, normalised((number, number) for number in known)) if known else NEVER
    return Any((own, All((In(field, normalised((one, one) for one in others)), asked())))) if others else own
