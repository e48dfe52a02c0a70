"""Who answers for an address on a layer-2 network, and which of those who answer learn something by it.

After net/ipv4/arp.c (``arp_solicit``, ``arp_process``, ``arp_ignore``, ``arp_filter``, ``arp_fwd_proxy``) and net/ipv6/ndisc.c (``ndisc_recv_ns``).
The question is asked from an address of the asker (``arp_announce``), and the answer may depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from analyzer.addresses import Address, Prefix
from analyzer.facts.links import AddressFact
from analyzer.facts.routes import LOCAL
from analyzer.model.hardware import stands_in, taken_for
from analyzer.model.link_filters import Judged
from analyzer.model.network import Interface
from analyzer.ranges import Ranges, contains, normalised
from analyzer.source import Scope
from analyzer.transfer.bridge import local
from analyzer.transfer.bridge_filters import exchanged_on, filters
from analyzer.transfer.cilium.programs import answers as programmed
from analyzer.transfer.lookup import NotKnown, Way, is_own, largest, own_values, refused, routing
from analyzer.transfer.proxying import for_another, forwards, may_stand_in, named, of_others
from analyzer.transfer.reach import Reach, askers, crossings, flood
from analyzer.transfer.refusing import uncertain
from analyzer.transfer.selection import of_device
from analyzer.transfer.space import Context, own_network
from analyzer.transfer.traffic_control import redirected

LINK_SCOPE = 253


@dataclass(frozen=True, slots=True)
class Host:
    """An interface that takes part: its MAC, the addresses that its host may answer for as its own, and those of others.

    ``even``: it answers for all of its own, wherever the asker's address may come in.
    """

    at: Interface
    mac: int
    targets: frozenset[int]
    proxied: Ranges
    even: bool


@dataclass
class Wire:
    """The layer-2 network of an interface, as it meets a question that is asked there; ``everybody``: also those whom no question reaches, or whose
    answer does not come back."""

    context: Context
    at: Interface
    reach: Reach
    hosts: tuple[Host, ...]
    everybody: tuple[Host, ...]
    decided: dict[tuple[Interface, int, int | None], bool | NotKnown] = field(default_factory=dict)
    exchanges: dict[tuple[Interface, int | None, int | None], Judged] = field(default_factory=dict)

    @cached_property
    def by_target(self) -> dict[int, list[Host]]:
        """The hosts that may answer for an address: who has it first, then who answers for others."""
        found: dict[int, list[Host]] = {}
        for host in self.hosts:
            for value in host.targets:
                found.setdefault(value, []).append(host)
        for value, hosts in found.items():
            hosts += [one for one in self.proxies if value not in one.targets and contains(one.proxied, value)]
        return found

    @cached_property
    def proxies(self) -> tuple[Host, ...]:
        """The hosts that answer for others."""
        return tuple(host for host in self.hosts if host.proxied)

    @cached_property
    def own(self) -> frozenset[int]:
        """The addresses of the asker's namespace. What is sent from 127.0.0.0/8 is refused wherever it arrives, question or packet."""
        return frozenset(
            value for value in own_values(self.context, self.at.scope) if self.context.family == 6 or value >> 24 != 127
        )

    def sender(self, source: int | None, target: int) -> int | None:
        """The address that is asked from for a packet of one of the asker's own addresses (None: of another)."""
        if source is not None and self.may_ask(source, target):
            return source
        facts = self.candidates
        near = (fact for fact in facts if fact.device == self.at.device and covers(fact, target))
        chosen = next(near, facts[0] if facts else None)
        return chosen.address.value if chosen is not None else None

    @cached_property
    def candidates(self) -> tuple[AddressFact, ...]:
        """The addresses that the kernel chooses from."""
        return of_device(self.context, self.at.scope, self.at.device, LINK_SCOPE)

    @cached_property
    def announce(self) -> int:
        """arp_announce."""
        return largest(self.context, self.at, "arp_announce")

    def may_ask(self, source: int, target: int) -> bool:
        """Whether a question is asked from the packet's own source."""
        if self.announce == 1:
            facts = (fact for facts in self.context.held.values() for fact in facts if fact.address.value == source)
            return any(covers(fact, target) for fact in facts)
        return not self.announce

    def plain(self, host: Host) -> bool:
        """Whether the asker's address makes no difference to a host."""
        key = ("plain", self.at.scope, host.at)
        found = self.context.made.get(key)
        if not isinstance(found, bool):
            found = host.even and not any(self.context.family == 4 and self.refuses(host, sender) for sender in self.own)
            self.context.made[key] = found
        return found

    def refuses(self, host: Host, sender: int) -> bool | NotKnown:
        """Whether the asker's address may not come in at a host."""
        return refused(self.context, host.at, sender, 0, "")

    def answers(self, host: Host, target: int, source: int | None) -> bool | NotKnown:
        """Whether a host answers to a question for a packet of one of the asker's own addresses (None: of another)."""
        own = target in host.targets
        if self.context.family == 6 or (own and self.plain(host)):
            return True
        key = (host.at, target, sender := self.sender(source, target))
        if key not in self.decided:
            self.decided[key] = answers_four(self.context, host.at, target, sender)
        return self.decided[key]

    def cases(self, hosts: Iterable[Host]) -> Iterator[int | None]:
        """The sources of packets by which the answers of hosts may differ; None is every other one."""
        yield None
        if self.context.family == 4 and (filters(self.context) or not all(self.plain(host) for host in hosts)):
            yield from sorted(self.own)

    @cached_property
    def learnable(self) -> dict[int, tuple[int, ...]]:
        """The addresses whose MACs the interface may learn by being asked, where that is not what it would be told if it asked."""
        found: dict[int, dict[int, None]] = {}
        for host, value in self.teaching_six() if self.context.family == 6 else self.teaching():
            if alone(self.context, value) or not contested(self.context, value):
                found.setdefault(value, {}).setdefault(host.mac)
        return {value: tuple(macs) for value, macs in found.items()}

    def learns(self, value: int, mac: int) -> bool:
        """Whether a MAC is among those of an address that are ``learnable``: without a look at who has other addresses."""
        if self.context.family == 6 or "learnable" in self.__dict__:
            return mac in self.learnable.get(value, ())
        some = [host for scope in holders(self.context, value) for host in self.by_scope.get(scope, ()) if host.mac == mac]
        taught = any(own == value for host in some for _, own in self.taught_by(host))
        return taught and (alone(self.context, value) or not contested(self.context, value))

    @cached_property
    def by_scope(self) -> dict[Scope, list[Host]]:
        """Everybody by namespace."""
        found: dict[Scope, list[Host]] = {}
        for host in self.everybody:
            found.setdefault(host.at.scope, []).append(host)
        return found

    @cached_property
    def hearing(self) -> frozenset[Interface]:
        """Where the hosts are whom questions reach."""
        return frozenset(host.at for host in self.hosts)

    def teaching(self) -> Iterator[tuple[Host, int]]:
        """Who may ask from which address, where asking for it might bring another MAC."""
        return (pair for host in self.everybody for pair in self.taught_by(host))

    def taught_by(self, host: Host) -> Iterator[tuple[Host, int]]:
        """A host with each address that it may ask from, where asking for it might bring another MAC."""
        values = senders(self.context, host.at.scope)
        cases = (None, *self.own) if filters(self.context) else ()
        kept = [value for value in values if any(self.judged(host, value, self.sender(case, value)) for case in cases)]
        sure = host.at in self.hearing and self.plain(host) and not self.proxies and not kept
        if not sure or doubled(self.context, host.at.scope):
            yield from ((host, value) for value in values if value in kept or self.told(value) != {host.mac})

    def judged(self, host: Host, target: int | None, sender: int | None) -> Judged:
        """What the chains of ARP and of bridges do to a question for an address (None: one of many) and to its answer."""
        if self.context.family == 6 or not filters(self.context):
            return None
        if (key := (host.at, target, sender)) not in self.exchanges:
            self.exchanges[key] = exchanged_on(self.context, self.at, self.reach, host.at, host.mac, target, sender)
        return self.exchanges[key]

    def teaching_six(self) -> Iterator[tuple[Host, int]]:
        """Who may ask from which address, where asking for it might bring no answer."""
        for host in self.everybody:
            if host not in self.hosts or uncertain(self.context, self.at, self.reach, host.at):
                yield from ((host, value) for value in sorted(host.targets))

    def told(self, target: int) -> set[int]:
        """Every MAC that the interface may be told for an address; -1: that nobody answers."""
        found: set[int] = set()
        hosts = self.by_target.get(target) or [one for one in self.proxies if contains(one.proxied, target)]
        for case in self.cases(hosts):
            given = [host.mac for host in hosts if self.answers(host, target, case) is True]
            found |= set(given) or {-1}
        return found


def senders(context: Context, scope: Scope) -> tuple[int, ...]:
    """The addresses that a namespace's questions may come from."""
    return tuple(sorted(value for value in own_values(context, scope) if value >> 24 != 127))


def holders(context: Context, value: int) -> Sequence[Scope]:
    """The namespaces whose questions may come from an address, worked out once for all."""
    if "holders" not in context.made:
        found: dict[int, list[Scope]] = {}
        for scope in context.network.namespaces:
            for own in senders(context, scope):
                found.setdefault(own, []).append(scope)
        context.made["holders"] = found
    return cast(dict[int, list[Scope]], context.made["holders"]).get(value, ())


def doubled(context: Context, scope: Scope) -> bool:
    """Whether another namespace has an address of this one."""
    found = context.made.get(("doubled", scope))
    if not isinstance(found, bool):
        owners = context.network.owners
        found = any(len(owners.get(Address(4, value), ())) > 1 for value in senders(context, scope))
        context.made["doubled", scope] = found
    return found


def covers(fact: AddressFact, value: int) -> bool:
    """Whether an address is in the network of an interface's (inet_ifa_match)."""
    network = own_network(fact)
    return network.value <= value <= network.last


def wire(context: Context, at: Interface) -> Wire:
    """The network of an interface, worked out once."""
    found = context.made.get(("wire", at))
    if not isinstance(found, Wire):
        reach = flood(context, ("frame", at, 0), asking=True)
        asked = hosts_at(context, at, reach.hosts)
        everybody = hosts_at(context, at, flood(context, ("frame", at, 0)).hosts) if reach.kept_back else asked
        everybody += hosts_at(context, at, askers(context, reach))
        hosts = tuple(host for host in asked if comes_back(context, at, reach, host))
        found = context.made["wire", at] = Wire(context, at, reach, hosts, everybody)
    return found


def comes_back(context: Context, at: Interface, reach: Reach, host: Host) -> bool:
    """Whether a host's answer comes back to an asker whose MAC others have too: a bridge on its way that has it for its own keeps the frame
    (br_handle_frame_finish), or sends its host's to the port that has it (br_dev_xmit)."""
    link = context.link(at)
    if link is None or link.mac is None or context.hardware[link.mac] < 2:
        return True
    for bridge, came, goes in crossings(context, reach, reach.step("receive", host.at)) or ():
        port = local(context, bridge).get(link.mac)
        if port is not None and (goes or port != came):
            return False
    return True


def hosts_at(context: Context, at: Interface, reached: Iterable[Interface]) -> tuple[Host, ...]:
    """Those that a frame of an interface reaches, and that take part."""
    return tuple(host for one in reached if one != at and (host := host_at(context, one)) is not None)


def host_at(context: Context, at: Interface) -> Host | None:
    """An interface that takes part in ARP or neighbour discovery, worked out once; None: it does not."""
    key = ("host", at)
    if key not in context.made:
        link = context.link(at)
        quiet = link is None or link.mac is None or "NOARP" in link.flags or context.without_six(at)
        mac = link.mac if link is not None and link.mac is not None else 0
        if stands_in(mac):
            context.assume(taken_for(at))
        context.made[key] = (
            None if quiet else Host(at, mac, frozenset(targets(context, at)), proxied(context, at), even(context, at))
        )
    found = context.made[key]
    return found if isinstance(found, Host) else None


def targets(context: Context, at: Interface) -> Iterable[int]:
    """The addresses that a host may answer for as its own: IPv4 all of the namespace's, and what its local table holds besides
    (``arp_process`` asks the routes), IPv6 only the interface's."""
    if context.family == 6:
        facts = context.held.get(at, ())
        shown = [fact.address.value for fact in facts if not fact.flags & {"tentative", "dadfailed"}]
        return shown + (told_by_routes(context, at) if "ip-addr" in context.space(at.scope).missing else [])
    if largest(context, at, "arp_ignore") == 8 or programmed(context, at) is not None:
        return []
    own = own_values(context, at.scope) | {prefix.value for prefix in local_networks(context, at.scope) if prefix.length == 32}
    return [value for value in sorted(own) if value >> 24 != 127]


def told_by_routes(context: Context, at: Interface) -> list[int]:
    """The IPv6 addresses of an interface for which the kernel keeps a local route (``addrconf_dad_completed``)."""
    local = [one for one in context.space(at.scope).routes.get(6, {}).get(LOCAL, ()) if one.kind == "local"]
    own = (one.destination for one in local if any(way.device == at.device for way in one.next_hops))
    return [prefix.value for prefix in own if prefix.length == 128]


def local_networks(context: Context, scope: Scope) -> list[Prefix]:
    """What the local table says is the namespace's own, loopback left out."""
    routes = context.space(scope).routes.get(4, {}).get(LOCAL, ())
    return [route.destination for route in routes if route.kind == "local" and route.destination.value >> 24 != 127]


def even(context: Context, at: Interface) -> bool:
    """Whether a host answers for all of its own addresses alike."""
    if context.family == 6:
        return True
    strange = largest(context, at, "arp_ignore") or largest(context, at, "arp_filter")
    found = routing(context, at.scope)
    return not strange and not found.custom and all(is_local(found.look_up(value)) for value in targets(context, at))


def is_local(found: object) -> bool:
    """Whether a route leads to the namespace itself."""
    return isinstance(found, Way) and found.route.kind == "local"


def proxied(context: Context, at: Interface) -> Ranges:
    """The addresses of others that a host may answer for: ``ip neigh`` proxies, and with proxy_arp all that it routes elsewhere; and
    the networks that are its own as a whole (``ip route add local``)."""
    if (answered := programmed(context, at)) is not None:
        return answered
    if context.family == 6:
        return normalised(named(context, at)) if forwards(context, at) and largest(context, at, "proxy_ndp") else ()
    whole = [(prefix.value, prefix.last) for prefix in local_networks(context, at.scope) if prefix.length < 32]
    return normalised([*whole, *(of_others(context, at) if forwards(context, at) else ())])


def answers_four(context: Context, at: Interface, target: int, sender: int | None) -> bool | NotKnown:
    """``arp_process``. A host whose routes are not known may answer for its own address, and for others where it is set to. A program of Cilium answers whatever the routes are."""
    if programmed(context, at) is not None:
        return True
    if may_stand_in(context, at):
        return NotKnown(f"the routes of {at.scope} are not known ({context.space(at.scope).missing['ip-route/4']})")
    found = routing(context, at.scope).look_up(target, sender or 0, at.device)
    if isinstance(found, NotKnown):
        return found if is_own(context, at.scope, target) else False
    if found is None:
        return False
    local = is_local(found)
    out = found.device if found.route.kind == "unicast" else ""
    wrong = refused(context, at, sender, target, out) if sender is not None else False
    if wrong is not False:
        return wrong if isinstance(wrong, NotKnown) and local else False
    if local:
        return not keeps_silent(context, at, target, sender)
    return found.route.kind == "unicast" and forwards(context, at) and for_another(context, at, target, out)


def keeps_silent(context: Context, at: Interface, target: int, sender: int | None) -> bool:
    """``arp_ignore`` and ``arp_filter``: whether a host says nothing about its own address."""
    mode = largest(context, at, "arp_ignore")
    here = next((fact for fact in context.held.get(at, ()) if fact.address.value == target), None)
    if mode == 8 or (mode in (1, 2) and here is None):
        return True
    if mode == 2 and sender is not None and here is not None and not covers(here, sender):
        return True
    if mode == 3 and here is not None and here.scope_name == "host":
        return True
    if sender is None or not largest(context, at, "arp_filter"):
        return False
    back = routing(context, at.scope).look_up(sender, target)
    return back is None or (isinstance(back, Way) and back.device != at.device)


def alone(context: Context, value: int) -> bool:
    """Whether at most one namespace has an address."""
    return len({holder.scope for holder in context.network.owners.get(Address(context.family, value), ())}) < 2


def contested(context: Context, value: int) -> bool:
    """Whether several hosts have an address; one that tc takes every incoming frame from does not take part."""
    holders = context.network.owners.get(Address(context.family, value), ())
    return len(holders) > 1 and sum(redirected(context, one, "ingress") is None for one in holders) > 1
