"""What of iptables looks at the type of service, and at groups of devices: ``tos``, ``dscp``, ``ecn``, ``devgroup``; and the targets that change it: ``TOS``,
``DSCP``, ``ECN`` (iptables-extensions(8))."""

from __future__ import annotations

from analyzer.facts.matches import DeviceGroupMatch, Match, TcpFlagsMatch, TypeOfServiceMatch
from analyzer.facts.netfilter import Pass, SetService, Target
from analyzer.parsers._iptables_names import number
from analyzer.parsers._iptables_options import Options, named, only
from analyzer.parsers._words import of_table

NAMED = {
    "Minimize-Delay": 0x10,
    "Maximize-Throughput": 0x08,
    "Maximize-Reliability": 0x04,
    "Minimize-Cost": 0x02,
    "Normal-Service": 0,
}
ALL_BITS, OF_NAMES, CLASS, CONGESTION = 0xFF, 0x3F, 0xFC, 0x03
"""Masks of the byte: all of it, what the old names mean (``tos_symbol_names`` of iptables), the six bits of the class, ECN's two."""
CLASSES = {
    **{f"CS{rank}": rank << 3 for rank in range(8)},
    **{f"AF{rank}{drop}": rank << 3 | drop << 1 for rank in range(1, 5) for drop in range(1, 4)},
    "BE": 0,
    "EF": 46,
}
FLAGS = {"ecn-tcp-ece": 0x40, "ecn-tcp-cwr": 0x80}


def type_of_service(options: Options, family: int) -> list[Match]:
    """``--tos 0x10/0x3f``, ``--tos Minimize-Delay``."""
    del family
    option = only(options, "tos")
    value, slash, mask = option.value.partition("/")
    if value in NAMED and not slash:
        return [TypeOfServiceMatch(NAMED[value], OF_NAMES, option.negated)]
    return [TypeOfServiceMatch(number(value), number(mask) if slash else ALL_BITS, option.negated)]


def service_class(options: Options, family: int) -> list[Match]:
    """``--dscp 0x0a``, ``--dscp-class AF11``."""
    del family
    if len(options) != 1 or options[0].name not in ("dscp", "dscp-class"):
        raise ValueError("dscp takes one option")
    option = options[0]
    known = of_table(CLASSES, option.value.upper(), "class of DSCP") if option.name == "dscp-class" else number(option.value)
    return [TypeOfServiceMatch(known << 2, CLASS, option.negated)]


def device_group(options: Options, family: int) -> list[Match]:
    """``--src-group 0x5``, ``--dst-group 0x0/0xf`` (xt_devgroup.c); of names only ``default`` is known."""
    del family
    found: list[Match] = []
    for option in options:
        value, slash, mask = option.value.partition("/")
        group = 0 if value == "default" else number(value)
        incoming = {"src-group": True, "dst-group": False}[option.name]
        found.append(DeviceGroupMatch(incoming, group, number(mask) if slash else 0xFFFFFFFF, option.negated))
    return found


def congestion(options: Options, family: int) -> list[Match]:
    """``--ecn-ip-ect 1``, ``--ecn-tcp-ece``, ``--ecn-tcp-cwr`` (xt_ecn.c)."""
    del family
    found: list[Match] = []
    for option in options:
        if option.name == "ecn-ip-ect":
            found.append(TypeOfServiceMatch(number(option.value), CONGESTION, option.negated))
        else:
            found.append(TcpFlagsMatch(FLAGS[option.name], FLAGS[option.name], option.negated))
    return found


def set_type(options: Options, family: int) -> Target:
    """TOS (xt_DSCP.c ``tos_tg``): ``--set-tos 0x10/0x3f``, ``--set-tos Minimize-Delay``, ``--and-tos``, ``--or-tos``, ``--xor-tos``."""
    del family
    option = named(options, *(f"{word}-tos" for word in ("set", "and", "or", "xor")))
    value, slash, mask = option.value.partition("/")
    if option.name == "set-tos" and value in NAMED and not slash:
        return SetService(NAMED[value], OF_NAMES)
    bits = number(value) & ALL_BITS
    changes = {"and-tos": (0, ~bits & ALL_BITS), "or-tos": (bits, bits), "xor-tos": (bits, 0)}
    return SetService(*changes.get(option.name, (bits, number(mask) & ALL_BITS if slash else ALL_BITS)))


def set_class(options: Options, family: int) -> Target:
    """DSCP (xt_DSCP.c ``dscp_tg``): ``--set-dscp 0x0a``, ``--set-dscp-class AF11``."""
    del family
    option = named(options, "set-dscp", "set-dscp-class")
    known = of_table(CLASSES, option.value.upper(), "class of DSCP") if option.name == "set-dscp-class" else number(option.value)
    return SetService(known << 2, CLASS)


def set_congestion(options: Options, family: int) -> Target:
    """ECN (ipt_ECN.c ``ecn_tg``): ``--ecn-ip-ect``; ``--ecn-tcp-remove`` is about flags of TCP that are not followed."""
    del family
    found = [option for option in options if option.name == "ecn-ip-ect"]
    return SetService(number(found[0].value), CONGESTION) if found else Pass("ECN")
