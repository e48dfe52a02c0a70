"""From an IP packet to a frame: the neighbour entry, else who answers on the layer-2 network (net/ipv4/arp.c, net/ipv6/ndisc.c).

Who is asked learns who asks, and an address that several have stays with the one that answered: where that matters it is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from analyzer.addresses import Address, hardware_text
from analyzer.facts.links import Ipvlan, LinkFact, OtherKind, Tunnel, Vrf, Vxlan, Wireguard
from analyzer.facts.neighbours import NeighbourFact
from analyzer.facts.routes import LOCAL
from analyzer.facts.system import FilterFact
from analyzer.model.gaps import network_of
from analyzer.model.link_filters import Judged, Refused
from analyzer.model.network import Interface
from analyzer.ranges import Ranges, difference, intersection, normalised, single
from analyzer.source import Scope
from analyzer.transfer import six_routers
from analyzer.transfer.answering import Host, Wire, contested, wire
from analyzer.transfer.bridge_filters import filters, neighbours, of_outsiders, settled
from analyzer.transfer.discovery import OUTSIDER, outsider, solicited
from analyzer.transfer.ir import KEEP, Alt, Assign, End, Field, If, In, Opaque, Transfer, Unknown
from analyzer.transfer.lookup import NotKnown
from analyzer.transfer.ovs.asking import resolution
from analyzer.transfer.question_filters import of_questions, unread, words
from analyzer.transfer.remembering import recall, remember
from analyzer.transfer.space import BROADCAST, Context, by_value, call, drop, seq, span_of
from analyzer.transfer.teaching import told_from_outside, unless_taught
from analyzer.transfer.teaching import words as not_taught

UNUSABLE = frozenset({"FAILED", "INCOMPLETE", "NONE"})
MANY = 32
FIXED = frozenset({"PERMANENT", "NOARP"})


def without_frames(link: LinkFact) -> bool:
    """Whether a device carries packets without a link layer."""
    if isinstance(link.kind, Tunnel):
        return "tap" not in link.kind.kind
    if isinstance(link.kind, Wireguard | Vrf):
        return True
    if isinstance(link.kind, Ipvlan):
        return link.kind.mode != "l2"
    return link.link_type in ("none", "ipip", "sit", "gre", "tunnel6", "ppp", "void") or (
        isinstance(link.kind, OtherKind) and link.kind.name == "tun" and link.link_type != "ether"
    )


def resolve(context: Context, at: Interface, link: LinkFact, quiet: bool = False) -> Transfer:
    """Sets the frame's MACs for NEXT_HOP, or drops the packet that nobody answers for. ``quiet``: the packet keeps its connection and mark, as the
    question of IPv6 is not followed through the hooks, and nothing is remembered."""
    own = link.mac or 0
    if without_frames(link):
        return seq(Assign(Field.SOURCE_MAC, 0), Assign(Field.DESTINATION_MAC, 0))
    if "NOARP" in link.flags:
        return seq(Assign(Field.SOURCE_MAC, own), Assign(Field.DESTINATION_MAC, own))
    context.granted(at.scope, "ip-neigh")
    if (asked := resolution(context, at, link)) is not None:
        pinned: dict[int, Transfer] = {
            fact.address.value: noted(fact)
            for fact in reversed(context.space(at.scope).neighbours)
            if fact.device == at.device and fact.address.family == context.family and usable(fact)
        }
        told = by_value(Field.NEXT_HOP, {**six_routers.rows(context, None, at), **pinned}, asked)
        return seq(Assign(Field.SOURCE_MAC, own), groups(context, at, seq(*doubts(context, at), told)))
    asking = Asking(context, wire(context, at), own, quiet)
    fixed: dict[int, Transfer] = {}
    for fact in context.space(at.scope).neighbours:
        if fact.device != at.device or fact.address.family != context.family or not usable(fact):
            continue
        value = fact.address.value
        if fact.states & FIXED:
            fixed.setdefault(value, noted(fact))
        elif not contested(context, value):
            fixed.setdefault(value, asking.recalled(value, asking.wire.learnable.get(value, ()), noted(fact)))
    rows, others = asking.rows(), asking.others()
    if (found := of_questions(context, asking.wire.reach)) is not None:
        rows = {value: If(Opaque(words(found), found.at), row, lost(found)) for value, row in rows.items()}
        others = If(Opaque(words(found), found.at), others, lost(found))
    rows |= {value: drop(f"{at} has the next hop's address itself, and takes no answer for it") for value in own_six(context, at)}
    known = by_value(Field.NEXT_HOP, {**rows, **six_routers.rows(context, asking.wire, at), **fixed}, others)
    return seq(Assign(Field.SOURCE_MAC, own), groups(context, at, seq(*doubts(context, at), known)))


def answers_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """Comes back with the MAC that answers for one address."""
    device, target, quiet = detail.rsplit(" ", 2)
    at = Interface(scope, device)
    link = context.link(at)
    own = link.mac or 0 if link is not None else 0
    return Asking(context, wire(context, at), own, quiet == str(True)).row(int(target))


def own_six(context: Context, at: Interface) -> Iterator[int]:
    """The IPv6 addresses of a device: those that are not its own in the end (``dadfailed``, ``tentative``) are asked for, and no answer is taken (``ndisc_recv_na``)."""
    facts = context.space(at.scope).addresses if context.family == 6 else ()
    return (fact.address.value for fact in facts if fact.device == at.device and fact.address.family == 6)


def noted(fact: NeighbourFact) -> Transfer:
    """What an entry says. A MAC of many is that of groups; frames to it are not followed where a single host is meant."""
    mac, value = fact.mac or 0, fact.address.value
    group = value >> 28 >= 14 if fact.address.family == 4 else value >> 120 == 0xFF
    if mac >> 40 & 1 and not group:
        return End(Unknown(f"frames to {hardware_text(mac)}, which is no single host's, are not followed"), fact.at)
    return Assign(Field.DESTINATION_MAC, mac, fact.at)


def lost(fact: FilterFact) -> Transfer:
    """What follows where a filter does not let a question pass."""
    return End(Unknown(f"it is not known whether {words(fact)}"), fact.at)


def doubts(context: Context, at: Interface) -> Iterator[Transfer]:
    """The lines of the table that were not understood: each could say where a next hop is, where it does not name another. Behind one that could be about any,
    no other is asked: it stands for them."""
    space = context.space(at.scope)
    for gap in space.gaps.get("ip-neigh", ()):
        network = network_of(context.network.sources, gap)
        text = f"the line of {at.scope} that was not understood ({gap.reason}) does not change the neighbour"
        doubt = If(Opaque(text, gap.at), KEEP, End(Unknown(f"{gap.at} was not understood: {gap.reason}"), gap.at))
        if network is None:
            yield doubt
            return
        if network.family == context.family:
            yield If(In(Field.NEXT_HOP, (span_of(network),)), doubt, KEEP)


def usable(fact: NeighbourFact) -> bool:
    """Whether an entry says where an address is."""
    return fact.mac is not None and not fact.proxy and not fact.states & UNUSABLE


def groups(context: Context, at: Interface, otherwise: Transfer) -> Transfer:
    """Broadcast and multicast addresses have their MACs by computation (arp_mc_map, ndisc_mc_map)."""
    if context.family == 6:
        return If(In(Field.NEXT_HOP, ((0xFF << 120, (1 << 128) - 1),)), Assign(Field.DESTINATION_MAC, 0x333300000000), otherwise)
    ends = [(0xFFFFFFFF, 0xFFFFFFFF)]
    for route in context.space(at.scope).routes.get(4, {}).get(LOCAL, ()):
        if route.kind == "broadcast" and any(hop.device == at.device for hop in route.next_hops):
            ends.append((route.destination.value, route.destination.last))
    multicast = If(In(Field.NEXT_HOP, ((0xE0000000, 0xEFFFFFFF),)), Assign(Field.DESTINATION_MAC, 0x01005E000000), otherwise)
    return If(In(Field.NEXT_HOP, normalised(ends)), Assign(Field.DESTINATION_MAC, BROADCAST), multicast)


def nobody(context: Context, at: Interface) -> Transfer:
    """Where nobody answers; on a tunnel the table that was not captured may say where a next hop is, as who makes it writes permanent entries."""
    reason, link = f"nobody on the network of {at} answers for the next hop", context.link(at)
    missing = context.space(at.scope).missing.get("ip-neigh")
    if missing is None or link is None or not isinstance(link.kind, Vxlan):
        return drop(reason)
    return End(Unknown(f"{reason}, and whether an entry says where it is was not captured ({missing})"))


@dataclass(frozen=True, slots=True)
class Asking:
    """How an interface finds out who has a next hop. ``own`` is its MAC."""

    context: Context
    wire: Wire
    own: int
    quiet: bool

    def rows(self) -> dict[int, Transfer]:
        """By the next hop: what was learnt of it before, else who answers."""
        wire = self.wire
        plain = {value for _, values in self.plain() for value in values}
        asked = [value for value in wire.by_target if value not in plain]
        found = {value: self.asking(value) if len(asked) > MANY else self.row(value) for value in asked}
        for value, macs in wire.learnable.items():
            if value not in found:
                found[value] = self.recalled(value, macs, self.others())
        return found

    def heard(self, hosts: Iterable[Host], target: int | None, sender: int | None) -> tuple[list[Host], Judged]:
        """The hosts that the chains let answer, and a chain of which it is not known whether it does."""
        found: list[Host] = []
        doubt: Judged = None
        for host in hosts:
            verdict = self.wire.judged(host, target, sender)
            if not isinstance(verdict, Refused):
                found.append(host)
                doubt = doubt or verdict
        return found, doubt

    def plain(self) -> Iterator[tuple[Host, list[int]]]:
        """Hosts with many addresses that they alone answer for, to everybody, and learn nothing by it (kube-ipvs0)."""
        for host in self.wire.hosts if self.context.family == 4 else ():
            if len(host.targets) < MANY or not self.wire.plain(host):
                continue
            if any(self.own in macs for macs in wire(self.context, host.at).learnable.values()):
                continue
            mine = self.wire.by_target
            yield host, [value for value in host.targets if len(mine[value]) == 1 and value not in self.wire.learnable]

    def asking(self, target: int) -> Transfer:
        """The answers for one address of many, made where packets to it get there."""
        return call(self.wire.at.scope, "answers", f"{self.wire.at.device} {target} {self.quiet}")

    def row(self, target: int) -> Transfer:
        """The answers for one address."""
        asked: dict[int | None, Transfer] = {
            case: self.asked(target, case) for case in self.wire.cases(self.wire.by_target[target])
        }
        default = asked.pop(None)
        apart: dict[int, Transfer] = {case: then for case, then in asked.items() if case is not None and then != default}
        macs = dict.fromkeys((*self.wire.learnable.get(target, ()), *(() if self.quiet else self.several(target))))
        return self.recalled(target, tuple(macs), by_value(Field.SOURCE, apart, default))

    def several(self, target: int) -> tuple[int, ...]:
        """The MACs that may be chosen from, where there are more than one."""
        macs = tuple(dict.fromkeys(host.mac for host in self.wire.by_target.get(target, ())))
        return macs if len(macs) > 1 else ()

    def recalled(self, target: int, macs: tuple[int, ...], otherwise: Transfer) -> Transfer:
        """What was learnt before; where nothing is remembered, whether something was is open."""
        if not self.quiet:
            return recall(self.context, self.wire.at, target, macs, self.own, otherwise)
        ways = tuple(one for mac in macs if (one := Assign(Field.DESTINATION_MAC, mac)) != otherwise)
        if not ways or self.context.family == 6:
            return otherwise
        text = f"{self.wire.at} has not learnt before where {Address(4, target)} is"
        return If(Opaque(text), otherwise, ways[0] if len(ways) == 1 else Alt(ways))

    def asked(self, target: int, case: int | None) -> Transfer:
        """What the question for a packet of one of the asker's own addresses (None: of another) brings."""
        hosts: list[Host] = []
        for host in self.wire.by_target.get(target, ()):
            match self.wire.answers(host, target, case):
                case NotKnown(reason):
                    return End(Unknown(reason))
                case True:
                    hosts.append(host)
                case False:
                    continue
        sender = self.wire.sender(case, target)
        heard, doubt = self.heard(hosts, target, sender)
        if hosts and not heard:
            return unless_taught(self.wire, target, drop(f"the chains of ARP let nobody on the network of {self.wire.at} answer"))
        if not (hosts := heard):
            return self.others()
        if self.quiet and len({host.mac for host in hosts}) > 1:
            who = Address(self.context.family, target)
            return End(Unknown(f"which of the {len(hosts)} hosts that answer for {who} on {self.wire.at} was heard is not known"))
        kept = bool(self.several(target)) and not self.quiet
        told = self.learnt(hosts, sender)
        return settled(self.context, self.wire.at.scope, doubt, seq(told, self.chosen(target, hosts, kept)))

    def chosen(self, target: int, hosts: list[Host], kept: bool) -> Transfer:
        """The answer that arrives first stays."""
        ways: dict[Transfer, None] = {}
        for host in hosts:
            noted = remember(self.context, self.wire.at, target, host.mac, self.own) if kept else KEEP
            ways.setdefault(seq(noted, self.answer(host, target)))
        found = tuple(ways)
        return found[0] if len(found) == 1 else Alt(found)

    def answer(self, host: Host, target: int) -> Transfer:
        """The answer of one host."""
        if self.quiet:
            return Assign(Field.DESTINATION_MAC, host.mac)
        return solicited(self.context, self.wire.at, host, target)

    def learnt(self, hosts: Iterable[Host], sender: int | None) -> Transfer:
        """Those who answer note who asks, where that can matter."""
        if sender is None or self.quiet or self.context.family == 6:
            return KEEP
        noting = (host.at for host in hosts if wire(self.context, host.at).learns(sender, self.own))
        return seq(*(remember(self.context, at, sender, self.own, self.own) for at in noting))

    def others(self) -> Transfer:
        """An address that nobody has: who answers for others, else a router outside where the network leads there."""
        reach, at = self.wire.reach, self.wire.at
        left = nobody(self.context, at)
        if (fact := unread(self.context, reach)) is not None:
            left = If(Opaque(words(fact), fact.at), left, lost(fact))
        if reach.proxies:
            return End(Unknown(reach.proxies[0]))
        if reach.outside or reach.unknown:
            left = Assign(Field.DESTINATION_MAC, OUTSIDER) if self.quiet else outsider(self.context, at, reach)
            if self.context.family == 4 and filters(self.context):
                left = self.of_outsiders(left)
        for ranges, hosts in reversed(apart([(host.proxied, (host,)) for host in self.wire.proxies])):
            left = If(In(Field.NEXT_HOP, ranges), self.by_proxies(hosts, ranges[0][0], left), left)
        for host, values in self.plain():
            ranges = normalised((value, value) for value in values)
            verdict = self.wire.judged(host, None, None)
            found = settled(self.context, at.scope, verdict, Assign(Field.DESTINATION_MAC, host.mac))
            left = If(In(Field.NEXT_HOP, ranges), found, left)
        return left

    def of_outsiders(self, left: Transfer) -> Transfer:
        """What follows where a host outside answers: the asker's own chains may keep it from asking, or hearing. Who sent a packet from there is known."""
        at = self.wire.at

        def asked(target: int | None) -> Transfer:
            cases = {case: self.wire.sender(case, target or 0) for case in (None, *sorted(self.wire.own))}
            found = {case: self.from_outside(target, sender, left) for case, sender in cases.items()}
            default = found.pop(None)
            return by_value(
                Field.SOURCE, {case: then for case, then in found.items() if case is not None and then != default}, default
            )

        rest = asked(None)
        rows = {value: then for value in neighbours(self.context, at) if (then := asked(value)) != rest}
        first = by_value(Field.NEXT_HOP, rows, rest) if rows else rest
        return If(In(Field.DIRECTION, single(1)), left, first) if first != left else left

    def from_outside(self, target: int | None, sender: int | None, left: Transfer) -> Transfer:
        """``of_outsiders`` for a question that is asked from an address."""
        verdict = of_outsiders(self.context, self.wire.at, self.own, target, sender)
        then = settled(self.context, self.wire.at.scope, verdict, left)
        if isinstance(verdict, Refused) and target is not None and told_from_outside(self.context, self.wire.at, target):
            return If(Opaque(not_taught(self.wire, target)), then, left)
        return then

    def by_proxies(self, hosts: tuple[Host, ...], target: int, otherwise: Transfer) -> Transfer:
        """What hosts answer for an address of others: the same for all addresses that they are proxies of."""
        cases = {source: self.of_proxies(hosts, target, source, otherwise) for source in self.wire.cases(hosts)}
        default = cases[None]
        return by_value(Field.SOURCE, {k: then for k, then in cases.items() if k is not None and then != default}, default)

    def of_proxies(self, hosts: tuple[Host, ...], target: int, source: int | None, otherwise: Transfer) -> Transfer:
        """``by_proxies`` for one source."""
        answers = [(host, self.wire.answers(host, target, source)) for host in hosts]
        if (doubtful := next((told for _, told in answers if isinstance(told, NotKnown)), None)) is not None:
            return End(Unknown(doubtful.reason))
        found = [host for host, told in answers if told is True]
        sender = self.wire.sender(source, target)
        heard, doubt = self.heard(found, None, sender)
        if found and not heard:
            return drop(f"the chains of ARP let nobody on the network of {self.wire.at} answer")
        told = self.learnt(heard, sender)
        return (
            settled(self.context, self.wire.at.scope, doubt, seq(told, self.chosen(target, heard, False))) if heard else otherwise
        )


def apart(parts: Sequence[tuple[Ranges, tuple[Host, ...]]]) -> list[tuple[Ranges, tuple[Host, ...]]]:
    """Disjoint ranges, each with all that answer for it."""
    found: list[tuple[Ranges, tuple[Host, ...]]] = []
    for ranges, hosts in parts:
        split = [(intersection(own, ranges), (*some, *hosts)) for own, some in found]
        left = [(difference(own, ranges), some) for own, some in found]
        for own, _ in found:
            ranges = difference(ranges, own)
        found = [(own, some) for own, some in (*split, *left, (ranges, hosts)) if own]
    return found
