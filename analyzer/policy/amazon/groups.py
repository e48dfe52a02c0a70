"""What security groups admit, as ``aws ec2 describe-security-groups`` gives them.

Follows the EC2 API reference (IpPermission, UserIdGroupPair): rules only allow, of several groups each may; replies need no rule. A rule's peers are blocks of addresses, prefix
lists, and whatever has a security group. Which groups nodes, pods without groups of their own and machines outside have stands in the cloud's network interfaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analyzer.addresses import Prefix
from analyzer.facts.clouds import SecurityGroupFact
from analyzer.parsers._view import View
from analyzer.policy.blocks import block
from analyzer.policy.terms import (
    ALL_PORTS,
    ANY_TRAFFIC,
    EVERYONE,
    All,
    Box,
    InBlocks,
    Not,
    Opaque,
    Peer,
    Traffic,
    either,
)
from analyzer.policy.tiers import Action, Direction, Rule
from analyzer.ranges import single
from analyzer.source import Gap, Span

PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}
ICMP = (1, 58)
SIDES = {Direction.INGRESS: "IpPermissions", Direction.EGRESS: "IpPermissionsEgress"}
ALL, EVERY = "-1", -1


@dataclass(frozen=True, slots=True)
class GroupReader:
    """Reads the rules of groups. ``given`` are the groups of the input, ``members`` the pods that have groups by SecurityGroupPolicies; ``problems`` collects what is no rule."""

    given: Mapping[str, SecurityGroupFact]
    members: Mapping[str, Peer]
    problems: list[Gap]

    def rules(self, group: str, direction: Direction, at: Span) -> Iterator[Rule]:
        """What a group admits in a direction; what one that is not given admits is not known."""
        fact = self.given.get(group)
        if fact is None:
            text = f"what the security group {group} admits, which `aws ec2 describe-security-groups` would say"
            yield Rule(Action.ALLOW, EVERYONE, at, Opaque(text, at), name=group)
            return
        view = View(fact.document, fact.places, "aws-security-groups", self.problems)
        if view.value.get(SIDES[direction]) is None:
            text = f"what the security group {group} admits: it is given without {SIDES[direction]}"
            yield Rule(Action.ALLOW, EVERYONE, view.at(), Opaque(text, view.at()), name=group)
        for item in view.parts(SIDES[direction]):
            yield Rule(Action.ALLOW, self.peer(item), item.at(), traffic(item), name=group)

    def peer(self, item: View) -> Peer:
        """Whoever a rule names: blocks, prefix lists, groups."""
        blocks = [one for key, field in RANGES for part in item.parts(key) if (one := self.block(part, field)) is not None]
        found: list[Peer] = [InBlocks(tuple(dict.fromkeys(blocks)))] if blocks else []
        for part in item.parts("PrefixListIds"):
            text = f"which addresses the prefix list {part.text('PrefixListId')} has"
            found.append(Opaque(text, part.at()))
        found += [self.group(part) for part in item.parts("UserIdGroupPairs")]
        return either(found)

    def block(self, part: View, field: str) -> Prefix | None:
        """A block of addresses."""
        return block(part, part.text(field), field)

    def group(self, part: View) -> Peer:
        """Whatever has a security group: of pods with groups of their own it is known, of all else it is not."""
        name = part.text("GroupId")
        text = f"which nodes, other pods and machines have the security group {name}"
        rest: Peer = All((Not(either(self.members.values())), Opaque(text, part.at())))
        return either((self.members[name], rest)) if name in self.members else rest


RANGES = (("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6"))


def traffic(item: View) -> Traffic:
    """The flows of a rule: a protocol by name or number, ports, or type and code of ICMP; -1 is all."""
    name = item.text("IpProtocol")
    if name == ALL:
        return ANY_TRAFFIC
    number = PROTOCOLS.get(name.lower(), int(name) if name.isdecimal() and int(name) <= 255 else None)
    if number is None:
        item.wrong(f"IpProtocol {name!r} must be -1, a number, or one of {', '.join(PROTOCOLS)}", "IpProtocol")
        return unread(item)
    low, high = item.number("FromPort", EVERY), item.number("ToPort", EVERY)
    if number in ICMP:
        return messages(item, number, low, high)
    if low == EVERY or number not in (6, 17):
        return Box(single(number), ALL_PORTS)
    if not 0 <= low <= high <= 65535:
        item.wrong(f"FromPort {low} and ToPort {high} must be a range within 0 to 65535", "FromPort")
        return unread(item)
    return Box(single(number), ((low, high),))


def unread(item: View) -> Traffic:
    """The flows of a rule that cannot be read."""
    return Opaque("what a rule of a security group admits that cannot be read", item.at())


def messages(item: View, protocol: int, kind: int, code: int) -> Traffic:
    """ICMP by type and code."""
    if not (EVERY <= kind <= 255 and EVERY <= code <= 255):
        item.wrong(f"type {kind} and code {code} of ICMP must be -1, or up to 255", "FromPort")
        return unread(item)
    if kind == EVERY:
        return Box(single(protocol), ALL_PORTS)
    return Box(single(protocol), ((kind << 8, kind << 8 | 255) if code == EVERY else (kind << 8 | code,) * 2,))


def members_of(subjects: Iterator[tuple[Peer, list[str]]]) -> dict[str, Peer]:
    """The pods that have each group."""
    found: dict[str, list[Peer]] = {}
    for subject, groups in subjects:
        for name in groups:
            found.setdefault(name, []).append(subject)
    return {name: either(tests) for name, tests in sorted(found.items())}
