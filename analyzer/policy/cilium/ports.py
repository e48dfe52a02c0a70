"""The flows of a Cilium rule: ``toPorts`` and ``icmps``, and the conditions above the transport layer, which stay words.

Follows pkg/policy/api (l4.go, icmp.go, rule_validation.go) and pkg/policy/rule.go: without a protocol TCP, UDP and SCTP are meant;
port 0 is every port; endPort counts where it is higher than a port that is a number; an entry without ports is left open.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from analyzer.parsers._view import View
from analyzer.policy.ports import NUMBERS, WITH_PORTS, any_of_traffic
from analyzer.policy.reading import Complaint, meant
from analyzer.policy.terms import ALL_PORTS, ANY_TRAFFIC, NO_TRAFFIC, All, Box, Not, Opaque, PortName, Traffic
from analyzer.policy.tiers import Direction
from analyzer.policy.world import World
from analyzer.ranges import Ranges, contains, single

MOST = 40
SERVICE_NAME = re.compile(r"(?=.{1,15}$)(?=.*[A-Za-z])[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
PROTOCOLS: Mapping[str, Ranges] = {
    "": WITH_PORTS,
    "ANY": WITH_PORTS,
    "TCP": single(6),
    "UDP": single(17),
    "SCTP": single(132),
    "ICMP": single(1),
    "ICMPV6": single(58),
}
WITHOUT_PORTS: Mapping[str, Ranges] = {
    "VRRP": single(112),
    "IGMP": single(2),
    "GRE": single(47),
    "IPIP": single(4),
    "IPV6": single(41),
    "ESP": single(50),
    "AH": single(51),
}
ECHO = {"EchoReply": 0, "Echo": 8, "EchoRequest": 8}
ICMP_4 = {
    **ECHO,
    "DestinationUnreachable": 3,
    "Redirect": 5,
    "RouterAdvertisement": 9,
    "RouterSelection": 10,
    "TimeExceeded": 11,
    "ParameterProblem": 12,
    "Timestamp": 13,
    "TimestampReply": 14,
    "Photuris": 40,
    "ExtendedEchoRequest": 42,
    "ExtendedEchoReply": 43,
}
ICMP_6 = {
    "DestinationUnreachable": 1,
    "PacketTooBig": 2,
    "TimeExceeded": 3,
    "ParameterProblem": 4,
    "EchoRequest": 128,
    "EchoReply": 129,
    "MulticastListenerQuery": 130,
    "MulticastListenerReport": 131,
    "MulticastListenerDone": 132,
    "RouterSolicitation": 133,
    "RouterAdvertisement": 134,
    "NeighborSolicitation": 135,
    "NeighborAdvertisement": 136,
    "RedirectMessage": 137,
    "RouterRenumbering": 138,
    "ICMPNodeInformationQuery": 139,
    "ICMPNodeInformationResponse": 140,
    "InverseNeighborDiscoverySolicitation": 141,
    "InverseNeighborDiscoveryAdvertisement": 142,
    "HomeAgentAddressDiscoveryRequest": 144,
    "HomeAgentAddressDiscoveryReply": 145,
    "MobilePrefixSolicitation": 146,
    "MobilePrefixAdvertisement": 147,
    "DuplicateAddressRequestCodeSuffix": 157,
    "DuplicateAddressConfirmationCodeSuffix": 158,
    "ExtendedEchoRequest": 160,
    "ExtendedEchoReply": 161,
}
FAMILIES = {"IPv4": (NUMBERS["ICMP"], ICMP_4), "IPv6": (NUMBERS["ICMPv6"], ICMP_6)}
FIELDS = {"ports", "rules", "terminatingTLS", "originatingTLS", "serverNames", "listener"}
APPLICATION = ("http", "kafka", "dns", "l7", "l7proto")


@dataclass(frozen=True, slots=True)
class Part:
    """Flows, and the conditions under which they get what they want."""

    traffic: Traffic
    provided: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortReader:
    """Reads what a rule says of flows in a direction; ``denies``: the API has no fields for more than ports in rules that deny."""

    world: World
    direction: Direction
    denies: bool
    advice: list[Complaint]

    def parts(self, rule: View) -> Iterator[Part] | None:
        """Each entry of ``toPorts`` and of ``icmps``; None where the rule is about all flows."""
        if rule.value.get("toPorts") and rule.value.get("icmps"):
            rule.wrong("toPorts and icmps cannot be in one rule: write a rule for each", "icmps")
        if not rule.value.get("toPorts") and not rule.value.get("icmps"):
            return None
        return iter([*map(self.entry, rule.parts("toPorts")), *map(self.icmp, rule.parts("icmps"))])

    def entry(self, item: View) -> Part:
        """One entry of ``toPorts``."""
        ignored_fields(item, {"ports"} if self.denies else FIELDS, self.advice)
        found = list(item.parts("ports"))
        if len(found) > MOST:
            item.wrong(f"has {len(found)} ports, of which Cilium takes {MOST} at most", "ports")
        names = [view.text("protocol").upper() for view in found]
        provided = () if self.denies else tuple(self.conditions(item, names))
        if not found:
            return Part(
                Opaque("which flows an entry of toPorts without ports means, in which versions differ", item.at()), provided
            )
        return Part(any_of_traffic(tuple(map(self.port, found))), provided)

    def port(self, item: View) -> Traffic:
        """One port: a number, a range, every port (0), or a name."""
        name, text = item.text("protocol").upper(), item.text("port")
        if name in WITHOUT_PORTS:
            if text not in ("", "0"):
                item.wrong(f"{name} has no ports: port must be 0 or absent", "port")
            return Box(WITHOUT_PORTS[name])
        protocols = PROTOCOLS.get(name)
        if protocols is None:
            known = ", ".join(sorted(filter(None, {*PROTOCOLS, *WITHOUT_PORTS})))
            item.wrong(f"protocol {item.text('protocol')!r} must be one of {known}", "protocol")
            return NO_TRAFFIC
        if SERVICE_NAME.fullmatch(text):
            return self.named(item, text.lower(), protocols)
        if not isinstance(item.value.get("port", ""), str | None):
            return NO_TRAFFIC  # That it is no text is told.
        if not text.isdecimal() or not int(text) <= 65535 or (len(text) > 1 and text[0] == "0"):
            item.wrong(f"port {text!r} must be a number up to 65535 or a name of at most 15 letters, digits and dashes", "port")
            return NO_TRAFFIC
        return box(protocols, int(text), item.number("endPort"))

    def named(self, item: View, name: str, protocols: Ranges) -> Traffic:
        """A port by its name: the subject's own into it, the destinations' out of it.

        Out of a subject versions differ where pods give the name to different ports, or a destination does not have it."""
        exact = PortName(name, protocols)
        if self.direction is Direction.INGRESS:
            return exact
        ports = sorted(self.world.by_port_name.get(name, ()))
        boxes = tuple(Box(single(protocol), single(port)) for protocol, port in ports if contains(protocols, protocol))
        if not boxes:
            return exact
        doubt = Opaque(f"whether the port name {name!r} means this destination's, in which versions of Cilium differ", item.at())
        one_each = len({box.protocols for box in boxes}) == len(boxes)
        sure: Traffic = exact if one_each else All((exact, doubt))
        others: Traffic = All((any_of_traffic(boxes), Not(exact), doubt))
        return any_of_traffic((sure, others))

    def icmp(self, item: View) -> Part:
        """One entry of ``icmps``."""
        found = tuple(self.icmp_type(view) for view in item.parts("fields"))
        if len(found) > MOST:
            item.wrong(f"has {len(found)} types, of which Cilium takes {MOST} at most", "fields")
        return Part(any_of_traffic(found) if found else NO_TRAFFIC)

    def icmp_type(self, item: View) -> Traffic:
        """A type of ICMP, by number or name, of IPv4 unless it says IPv6."""
        family, kind = item.text("family", "IPv4"), item.value.get("type")
        if family not in FAMILIES:
            item.wrong(f"family {family!r} must be IPv4 or IPv6", "family")
            return NO_TRAFFIC
        protocol, names = FAMILIES[family]
        number = icmp_number(kind, names)
        if number is None:
            item.wrong(f"type {kind!r} is none of ICMP for {family}: it must be 0 to 255, or a name such as EchoRequest", "type")
            return NO_TRAFFIC
        return Box(single(protocol), ((number << 8, number << 8 | 255),))

    def check(self, item: View, rules: View, kinds: list[str]) -> None:
        """Notes what Cilium refuses of an entry with rules on an application (PortRule.sanitize, L7Rules.sanitize)."""
        ports = list(item.parts("ports"))
        into = self.direction is Direction.INGRESS
        if "dns" in kinds and into:
            rules.wrong("rules on DNS are for egress only", "dns")
        elif "dns" in kinds and not ports:
            rules.wrong("rules on DNS need a port", "dns")
        if "l7" in kinds and not rules.text("l7proto"):
            rules.wrong("l7 needs l7proto", "l7")
        for port in ports if kinds else ():
            if port.text("port") == "0":
                port.wrong(f"rules on {kinds[0]} cannot be about port 0, which is every port", "port")
        if item.value.get("listener") is not None and (kinds or into):
            why = "beside rules on an application" if kinds else "in rules of ingress"
            item.wrong(f"listener cannot stand {why}", "listener")
        names = item.texts("serverNames")
        if "" in names:
            item.wrong("a server's name is empty", "serverNames", names.index(""))
        if names and kinds and item.value.get("terminatingTLS") is None:
            item.wrong("serverNames beside rules on an application need terminatingTLS", "serverNames")

    def conditions(self, item: View, protocols: list[str]) -> Iterator[str]:
        """What else is asked of allowed flows, in words."""
        rules = item.part("rules")
        kinds = [key for key in APPLICATION if rules.value.get(key) is not None]
        for key in rules.value:
            if key not in APPLICATION:
                rules.wrong(f"unknown field {rules.name(key)!r}", key)
        if len([key for key in kinds if key != "l7"]) > 1:
            rules.wrong(f"{kinds[0]} and {kinds[1]} cannot be in one rule", kinds[1])
        self.check(item, rules, kinds)
        if kinds and "dns" not in kinds and any(name != "TCP" for name in protocols):
            rules.wrong(f"rules on {kinds[0]} need protocol TCP", kinds[0])
        yield from (words(rules, key) for key in kinds if key != "l7proto" or "l7" not in kinds)
        if item.value.get("serverNames"):
            yield f"TLS for {', '.join(item.texts('serverNames'))}"
        for key in ("terminatingTLS", "originatingTLS", "listener"):
            if item.value.get(key) is not None:
                yield {"listener": "through the listener that it names"}.get(key, f"with {key}")


def words(rules: View, key: str) -> str:
    """Rules on an application's protocol, shortly."""
    if key == "l7proto":
        return f"{rules.text(key)} as its parser allows"
    name = rules.text("l7proto") if key == "l7" else {"http": "HTTP", "kafka": "Kafka", "dns": "DNS"}[key]
    found = []
    for item in rules.parts(key):
        fields = [f"{field} {shortly(item.value[field])}" for field in sorted(item.value) if item.value[field] is not None]
        found.append(" and ".join(fields) or "anything")
    return f"{name}: {' or '.join(found)}" if found else f"{name}: what the rules say, which are none"


def shortly(value: object) -> str:
    """A value in a few words: of objects in a list (``headerMatches``), their names."""
    if isinstance(value, list):
        return ", ".join(str(one.get("name", "…")) if isinstance(one, dict) else str(one) for one in value)
    return "…" if isinstance(value, dict) else str(value)


def ignored_fields(view: View, known: Collection[str], advice: list[Complaint]) -> None:
    """Notes the fields that the API does not have and that it drops without a word."""
    for key in view.value:
        if key not in known:
            advice.append(
                Complaint(
                    view.at(key),
                    f"unknown field {view.name(key)!r}: the API server drops it, it has no effect{meant(str(key), known)}",
                )
            )


def box(protocols: Ranges, port: int, last: int) -> Box:
    """A port, a range where ``last`` is higher, every port where it is 0."""
    if port == 0 and last == 0:
        return Box(protocols, ALL_PORTS)
    return Box(protocols, ((port, min(last, 65535)),) if last > port else single(port))


def icmp_number(kind: object, names: Mapping[str, int]) -> int | None:
    """A type of ICMP: a number, a number as text, or a name."""
    if isinstance(kind, str):
        return names.get(kind.replace(" ", ""), int(kind) if kind.isdecimal() and int(kind) <= 255 else None)
    return kind if isinstance(kind, int) and not isinstance(kind, bool) and 0 <= kind <= 255 else None


ALL_FLOWS = Part(ANY_TRAFFIC)
