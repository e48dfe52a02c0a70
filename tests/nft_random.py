"""Random native nft rulesets that the kernel loads, for packets of one family, from a seed."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from tests.netfilter_lab import ADDRESSES, CLIENT, SERVER

PRIORITIES = (-310, -250, -150, -50, 0, 0, 10)
HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
PROTOCOL = re.compile(r"\b(tcp|udp|icmp|icmpv6|l4proto|th|protocol|nexthdr)\b")
INCOMING, OUTGOING = ("prerouting", "input", "forward", "postrouting"), ("forward", "output", "postrouting")


ZONES = (
    *("ct zone set 1", "ct zone set 2", "ct original zone set 1", "ct reply zone set 2", "ct original zone set 2"),
    *('ct zone set iifname map { "near" : 1, "far" : 2 }', "ct original zone set meta mark map { 0 : 1, 1 : 2, 2 : 0 }"),
)


class NftRules:
    """A generator of tables for one family; ``ways``: with rules about the way back; ``alone``: with one nat chain at a hook;
    ``picked``: with source ports of which the kernel may pick any; ``zones``: with zones of conntrack."""

    def __init__(
        self, random: Random, family: int, ways: bool = True, alone: bool = False, picked: bool = True, zones: bool = True
    ) -> None:
        self.zones: tuple[str, ...] = ZONES if zones else ()
        self.late = False
        self.ways, self.alone, self.picked, self.translated = ways, alone, picked, set[str]()
        self.random, self.family = random, family
        known = ADDRESSES[family]
        self.hosts = [*known[CLIENT], *known[SERVER], *known["near"], *known["far"]]
        self.servers, self.router = known[SERVER], (*known["near"], *known["far"])
        self.networks = ("10.77.0.0/16", "10.77.1.0/24", "10.77.2.0/24", "10.77.2.2/31") if family == 4 else ("fd77::/16", "fd77:1::/64", "fd77:2::/64", "fd77:2::2/127")  # fmt: skip
        self.ip, self.kind = ("ip", "ipv4_addr") if family == 4 else ("ip6", "ipv6_addr")
        self.echo = ("icmp", "echo-request", "echo-reply") if family == 4 else ("icmpv6", "echo-request", "echo-reply")

    def some(self, *values: str) -> str:
        return self.random.choice(values)

    def host(self) -> str:
        return self.random.choice(self.hosts)

    def port(self) -> str:
        return self.some("53", "80", "443", "8080")

    def no(self) -> str:
        return self.some("", "", "!= ")

    def several(self, make: Callable[[], str], most: int = 3) -> list[str]:
        return list(dict.fromkeys(make() for _ in range(self.random.randint(1, most))))

    def ruleset(self) -> str:
        """One to three tables."""
        names = [(self.some("inet", self.ip), f"t{number}") for number in range(self.random.randint(1, 3))]
        return "\n".join(self.table(family, name, number) for number, (family, name) in enumerate(names))

    def table(self, family: str, name: str, place: int) -> str:
        """A table with its sets, base chains and the chains below these. No two tables have nat chains of one priority: which comes first is not listed."""
        chains: list[str] = []
        bases: list[str] = []
        for number in range(self.random.randint(2, 6)):
            hook = self.random.choice(HOOKS)
            kind = self.some(
                "filter", "filter", *(["nat"] if hook != "forward" else []), *(["route"] if hook == "output" else [])
            )
            if kind == "nat" and self.alone and hook in self.translated:
                kind = "filter"
            self.translated |= {hook} if kind == "nat" else set()
            bases.append(f"b{number}")
            chains += self.base(f"b{number}", kind, hook, place)
        return f"table {family} {name} {{\n{self.sets()}\n{''.join(chains)}}}\n"

    def base(self, name: str, kind: str, hook: str, place: int) -> list[str]:
        """A base chain, and two below it."""
        policy = "drop" if kind == "filter" and self.random.random() < 0.08 else "accept"
        priority = self.random.choice(
            PRIORITIES if kind != "nat" else tuple(value + place for value in (-150, -100, 0, 100, 110))
        )
        self.late = priority > -200
        head = f"\t\ttype {kind} hook {hook} priority {priority}; policy {policy};\n"
        below = [f"{name}-x", f"{name}-y"]
        found = []
        for position, chain in enumerate((*below[::-1], name)):
            rules = "".join(
                f"\t\t{self.rule(kind, hook, below[3 - position :] if position < 2 else below)}\n"
                for _ in range(self.random.randint(1, 4))
            )
            found.append(f"\tchain {chain} {{\n{head if chain == name else ''}{rules}\t}}\n")
        return found

    def rule(self, kind: str, hook: str, below: list[str]) -> str:
        """A rule; nft refuses tests of two protocols, so one part alone names any."""
        target = self.target(kind, hook, below)
        taken = bool(PROTOCOL.search(target))
        matches = []
        for match in (self.match(hook) for _ in range(self.random.choice((0, 1, 1, 1, 2, 2, 3)))):
            if not (taken and PROTOCOL.search(match)):
                matches.append(match)
                taken |= bool(PROTOCOL.search(match))
        marks = [self.mark()] if self.random.random() < 0.25 else []
        return " ".join((*matches, *marks, target))

    def match(self, hook: str) -> str:
        makers = [
            self.address,
            self.address,
            self.transport,
            self.transport,
            self.transport,
            self.marked,
            self.states,
            self.states,
            self.lookup,
            self.lookup,
            self.other,
        ]
        if hook in INCOMING:
            makers.append(lambda: f"{self.some('iifname', 'iifname', 'meta iifname')} {self.devices()}")
        if hook in OUTGOING:
            makers.append(lambda: f"oifname {self.devices()}")
        if self.ways and hook in ("prerouting", "input", "forward"):
            makers.append(lambda: f"fib saddr . iif oif {self.some('exists', 'missing')}")
        return self.random.choice(makers)()

    def devices(self) -> str:
        return self.some('"near"', '"far"', '"n*"', '!= "far"', '{ "near", "f*" }', '!= "lo"', "@s-if")

    def address(self) -> str:
        end = self.some("saddr", "daddr", "daddr")
        value = self.some(
            self.host(),
            self.some(*self.networks),
            f"{{ {', '.join(self.several(self.host))} }}",
            f"{self.hosts[0]}-{self.hosts[0][:-1]}9",
        )
        return f"{self.ip} {end} {self.no()}{value}"

    def transport(self) -> str:
        kind, request, reply = self.echo
        return self.some(
            f"{self.some('tcp', 'udp')} {self.some('dport', 'dport', 'sport')} {self.some(self.port(), '!= 80', '80-443', '!= 80-443', '{ 53, 80 }', '> 79', '<= 443', '@s-port', '!= @s-port')}",
            f"meta l4proto {self.no()}{self.some('tcp', 'udp', kind.replace('icmpv6', 'ipv6-icmp'), '{ tcp, udp }')}",
            f"meta l4proto {{ tcp, udp }} th dport {self.no()}{self.port()}",
            f"{kind} type {self.no()}{self.some(request, reply, '{ ' + request + ', ' + reply + ' }')}",
            f"th sport {self.no()}{self.some('2048', '32768', '2000-33000')} {self.ip} {'protocol' if self.family == 4 else 'nexthdr'} {kind.replace('icmpv6', 'ipv6-icmp')}",
            f"tcp flags {self.some('syn', 'syn / syn,ack', '!= syn', 'syn,ack', '& (syn | rst) == syn')}",
        )

    def marked(self) -> str:
        return f"{self.some('meta mark', 'ct mark')} {self.some('0x1', '& 0x1 == 0x1', '& 0x2 != 0x0', '!= 0x0', '0x1-0x3', '& 0xc == 0x4', '{ 0x0, 0x2 }')}"

    def states(self) -> str:
        if self.zones and self.random.random() < 0.2:
            return f"ct {self.some('', 'original ', 'reply ')}zone {self.some('0', '1', '!= 1', '{ 1, 2 }', '1-2')}"
        return self.some(
            f"ct state {self.some('new', 'established', 'established,related', 'invalid', 'untracked', '!= new', '{ new, established }', '!= { new, untracked }', 'new,invalid')}",
            f"ct status {self.some('dnat', 'snat', 'dnat,snat', 'confirmed', 'seen-reply', '& dnat == 0')}",
            f"ct direction {self.some('original', 'reply', '!= reply')}",
            f"ct original {self.ip} daddr {self.no()}{self.host()}",
            f"ct reply {self.ip} saddr {self.no()}{self.host()}",
            f"meta l4proto {{ tcp, udp }} ct original proto-dst {self.some('80', '1-100')}",
        )

    def lookup(self) -> str:
        end = self.some("saddr", "daddr")
        return self.some(
            f"{self.ip} {end} {self.no()}@s-ip",
            f"{self.ip} {end} {self.no()}@s-net",
            f"{self.ip} daddr . meta l4proto . th dport {self.no()}@s-svc",
            f"{self.ip} saddr . {self.ip} daddr {self.no()}{{ {self.hosts[0]} . {self.host()}, {self.networks[2]} . {self.host()} }}",
        )

    def other(self) -> str:
        limit = "ip ttl" if self.family == 4 else "ip6 hoplimit"
        return self.some(
            f"fib daddr type {self.no()}{self.some('local', 'unicast', '{ local, multicast }')}",
            f"fib saddr type {self.no()}local",
            f"{limit} {self.some('< 64', '64', '!= 63')}",
            f"meta length {self.some('> 40', '< 41', '30-60', '!= 60')}",
            f"meta pkttype {self.no()}{self.some('unicast', 'multicast')}",
            f"{self.ip} {'protocol' if self.family == 4 else 'nexthdr'} {self.no()}{self.some('tcp', 'udp')}",
            f"meta protocol {self.ip}",
            f"{self.ip} dscp {self.some('cs0', '!= cs0', '0x0a', '{ cs1, af11 }', '0x08-0x10', '@s-dscp')}",
            f"{self.ip} ecn {self.no()}{self.some('not-ect', 'ect1')}",
        )

    def mark(self) -> str:
        return self.some(
            "meta mark set 0x1", "meta mark set meta mark | 0x2", "meta mark set meta mark & 0xfffffffe", "meta mark set meta mark ^ 0x3",
            "ct mark set meta mark", "meta mark set ct mark", "ct mark set 0x2", "meta mark set ct mark & 0x3",
            f"meta mark set {self.ip} daddr map @m-mark", f"{self.ip} dscp set {self.some('cs1', 'af11', 'cs0')}", f"{self.ip} ecn set {self.some('ect1', 'not-ect')}",
        )  # fmt: skip

    def target(self, kind: str, hook: str, below: list[str]) -> str:
        common = ["accept", "return", "counter", "continue", "drop"] if kind == "filter" else ["accept", "return", "counter"]
        zones = () if self.late else self.zones  # What the kernel does to a packet that conntrack has looked at is not known.
        raw = ["notrack", *zones] if kind == "filter" and hook in ("prerouting", "output") else []
        own = (
            self.translations(hook) * 3
            if kind == "nat"
            else ["reject", *raw]
            if kind == "filter" and hook != "postrouting"
            else [*raw]
        )
        jumps = [f"{self.some('jump', 'jump', 'goto')} {self.random.choice(below)}", self.vmap(below)] * 2 if below else []
        return self.random.choice([*common, *own, *jumps])

    def vmap(self, below: list[str]) -> str:
        def verdict() -> str:
            return self.some("accept", "return", "continue", f"jump {self.some(*below)}", f"goto {self.some(*below)}")

        return self.some(
            f"numgen random mod 2 vmap {{ 0 : {verdict()}, 1 : {verdict()} }}",
            f"{self.ip} daddr vmap {{ {self.hosts[0]} : {verdict()}, {self.servers[0]} : {verdict()} }}",
            f"{self.ip} daddr . meta l4proto . th dport vmap {{ {self.servers[0]} . tcp . 80 : {verdict()}, {self.servers[1]} . udp . 53 : {verdict()} }}",
            f"tcp dport vmap {{ 80 : {verdict()}, 81-443 : {verdict()} }}",
            f"meta mark vmap {{ 0x0 : {verdict()}, 0x1 : {verdict()}, 0x2 : {verdict()} }}",
            f"ct state vmap {{ new : {verdict()}, established : {verdict()}, invalid : {verdict()} }}",
            f'iifname vmap {{ "near" : {verdict()}, "far" : {verdict()} }}',
        )

    def translations(self, hook: str) -> list[str]:
        family, server = self.ip, self.random.choice(self.servers)
        if hook in ("postrouting", "input"):
            source = self.random.choice(self.router) if hook == "postrouting" else self.hosts[0]
            return [
                f"snat {family} to {source}",
                f"snat {family} to {source} {self.some('random', 'fully-random') if self.picked else ''}",
                f"meta l4proto {self.some('tcp', 'udp')} snat {family} to {f'[{source}]' if self.family == 6 else source}:{self.some('10000-10004', '8070-8085', '60-90')}{self.some('', ' fully-random')}",
                *(
                    ["masquerade", f"masquerade {self.some('random', 'fully-random') if self.picked else ''}"]
                    if hook == "postrouting"
                    else []
                ),
            ]
        placed = f"[{server}]" if self.family == 6 else server
        found = [f"dnat {family} to {server}", f"meta l4proto {self.some('tcp', 'udp')} dnat {family} to {placed}:{self.port()}",
                 f"dnat {family} to numgen random mod 2 map {{ 0 : {self.servers[0]}, 1 : {self.servers[1]} }}",
                 f"meta l4proto tcp dnat {family} to {self.ip} daddr map {{ {self.hosts[0]} : {self.servers[0]}, {self.servers[0]} : {self.servers[1]} }}:{self.port()}",
                 f"meta l4proto {{ tcp, udp }} dnat {family} to {self.ip} daddr . th dport map @m-nat"]  # fmt: skip
        if hook == "prerouting":
            found += ["redirect", "meta l4proto tcp redirect to :80", f"dnat {family} to {self.router[0]}"]
            found.append(
                f"meta l4proto {self.some('tcp', 'udp')} redirect to :{self.some('80-90', '8080-8443')}{self.some('', ' random')}"
            )
        return found

    def sets(self) -> str:
        """The named sets and maps."""
        service = lambda: f"{self.host()} . {self.some('tcp', 'udp')} . {self.port()}"  # noqa: E731
        nets = self.random.sample(self.networks[1:3], self.random.randint(1, 2))
        nat = dict.fromkeys(f"{host} . {port}" for host in (*self.servers, self.router[0]) for port in ("80", "53"))
        rows = [f"{key} : {self.some(*self.servers)} . {self.port()}" for key in nat]
        return "\n".join(
            (
                f"\tset s-ip {{ type {self.kind}; elements = {{ {', '.join(self.several(self.host))} }}; }}",
                f"\tset s-net {{ type {self.kind}; flags interval; elements = {{ {', '.join(nets)} }}; }}",
                f"\tset s-svc {{ type {self.kind} . inet_proto . inet_service; elements = {{ {', '.join(self.several(service))} }}; }}",
                "\tset s-port { type inet_service; flags interval; elements = { 53, 80-443 }; }",
                "\tset s-dscp { type dscp; elements = { cs1, af11 }; }",
                '\tset s-if { type ifname; elements = { "near" }; }',
                f"\tmap m-nat {{ type {self.kind} . inet_service : {self.kind} . inet_service; elements = {{ {', '.join(rows)} }}; }}",
                f"\tmap m-mark {{ type {self.kind} : mark; elements = {{ {self.hosts[0]} : 0x1, {self.servers[0]} : 0x2 }}; }}",
            )
        )
