"""Random iptables rulesets that the kernel loads, of one family, from a seed."""

from __future__ import annotations

import re
from random import Random

from tests.netfilter_lab import ADDRESSES, CLIENT, SERVER

HOOKS = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
WITH_PORTS = re.compile(r"--to-\w+ \S+:\d+-\d+\b")
INCOMING = ("PREROUTING", "INPUT", "FORWARD")
OUTGOING = ("FORWARD", "OUTPUT", "POSTROUTING")
SETS = {
    "s-ip": ("hash:ip", "dst"),
    "s-net": ("hash:net", "src"),
    "s-ipport": ("hash:ip,port", "dst,dst"),
    "s-ipportip": ("hash:ip,port,ip", "dst,dst,src"),
    "s-ipportnet": ("hash:ip,port,net", "dst,dst,src"),
    "s-netport": ("hash:net,port", "src,dst"),
    "s-netnet": ("hash:net,net", "src,dst"),
    "s-netiface": ("hash:net,iface", "src,src"),
    "s-port": ("bitmap:port", "dst"),
    "s-list": ("list:set", "dst,dst"),
}


class Rules:
    """A generator of rules for one family; ``shifted``: with ranges of ports that have a base, which the language does not take round;
    ``directed``: with zones of conntrack that are for one direction, or named by marks."""

    def __init__(self, random: Random, family: int, kinds: frozenset[str], shifted: bool = False, directed: bool = False) -> None:
        self.random, self.family, self.shifted, self.directed = random, family, shifted, directed
        self.known_sets = {name: sides for name, (kind, sides) in SETS.items() if kind in kinds}
        known = ADDRESSES[family]
        self.hosts = [*known[CLIENT], *known[SERVER], *known["near"], *known["far"]]
        self.servers = known[SERVER]
        self.router = (*known["near"], *known["far"])
        self.networks = ("10.77.0.0/16", "10.77.1.0/24", "10.77.2.0/24", "10.77.2.2/31") if family == 4 else ("fd77::/16", "fd77:1::/64", "fd77:2::/64", "fd77:2::2/127")  # fmt: skip
        self.icmp = ("icmp", "icmp", "icmp-type") if family == 4 else ("ipv6-icmp", "icmp6", "icmpv6-type")

    def some(self, *values: str) -> str:
        return self.random.choice(values)

    def host(self) -> str:
        return self.random.choice(self.hosts)

    def port(self) -> str:
        return f"{self.some('tcp', 'udp')}:{self.some('80', '53', '443')}"

    def no(self) -> str:
        return self.some("", "", "! ")

    def ruleset(self, tables: tuple[str, ...]) -> str:
        """The text of tables for ``iptables-restore``."""
        return "\n".join(self.table(table) for table in tables) + "\n"

    def table(self, table: str) -> str:
        heads, rules = [f"*{table}"], []
        for hook in HOOKS[table]:
            drop = table in ("filter", "mangle") and self.random.random() < 0.06
            heads.append(f":{hook} {'DROP' if drop else 'ACCEPT'} [0:0]")
            users = [f"{hook}-{name}" for name in "abc"]
            heads += [f":{name} - [0:0]" for name in users]
            for position, chain in enumerate((hook, *users)):
                long = self.random.random() < 0.12
                for _ in range(self.random.randint(9, 14) if long else self.random.randint(0 if position else 1, 4)):
                    rules.append(self.rule(table, hook, chain, users[position:]))
        return "\n".join((*heads, *rules, "COMMIT"))

    def rule(self, table: str, hook: str, chain: str, below: list[str]) -> str:
        needs = ""
        target = self.target(table, hook, below)
        if "--to-ports" in target or target.endswith((":80", ":53")) or WITH_PORTS.search(target):
            needs = self.some("-p tcp ", "-p udp ")
        matches = [self.match(table, hook, bool(needs)) for _ in range(self.random.choice((0, 1, 1, 1, 2, 2, 3)))]
        kept: list[str] = []
        for match in matches:
            if not any(word.split()[0 + word.startswith("! ")] == match.split()[0 + match.startswith("! ")] for word in kept):
                kept.append(match)
        if sum("-p " in match for match in kept) > 1:
            kept = [match for match in kept if "-p " not in match]
        return f"-A {chain} {needs}{' '.join(kept)} {target}".replace("  ", " ")

    def match(self, table: str, hook: str, protocol_given: bool) -> str:
        makers = [self.address, self.address, self.mark, self.states, self.chance, self.ip_set, self.other, self.types]
        if not protocol_given:
            makers += [self.transport, self.transport, self.transport]
        if hook in INCOMING:
            makers.append(lambda: f"{self.no()}-i {self.some('near', 'far', 'n+', 'lo', 'eth+')}")
        if hook in OUTGOING:
            makers.append(lambda: f"{self.no()}-o {self.some('near', 'far', 'f+', 'lo')}")
        if table == "raw":
            makers = [maker for maker in makers if maker not in (self.states,)]
        return self.random.choice(makers)()

    def address(self) -> str:
        value = self.random.choice((*self.hosts, *self.networks))
        return f"{self.no()}{self.some('-s', '-d', '-d')} {value}"

    def transport(self) -> str:
        kind, module, option = self.icmp
        echo = self.some("8", "0", "8/0") if self.family == 4 else self.some("128", "129", "128/0")
        port = f"{self.no()}{self.some('--dport', '--dport', '--sport')} {self.some('80', '53', '80:443', '1024:65535')}"
        return self.some(
            f"-p tcp -m tcp {port}",
            f"-p udp -m udp {port}",
            f"-p {self.some('tcp', 'udp')} -m multiport {self.no()}{self.some('--dports', '--sports', '--ports')} {self.some('80,443', '53,8080', '1:1023,8080')}",
            f"-p tcp -m tcp {self.no()}--tcp-flags SYN,ACK,FIN,RST {self.some('SYN', 'SYN,ACK', 'ACK')}",
            f"-p tcp -m tcp {self.no()}--syn",
            f"-p {kind} -m {module} {self.no()}--{option} {echo}",
            f"-p {self.some('tcp', 'udp', kind)}",
            f"! -p {self.some('tcp', 'udp', kind)}",
        )

    def mark(self) -> str:
        return f"-m {self.some('mark', 'connmark')} {self.no()}--mark {self.some('0x1/0x1', '0x2/0x2', '0x4/0xc', '0x0', '0x3')}"

    def states(self) -> str:
        options = (
            f"{self.no()}--ctstate {self.some('NEW', 'ESTABLISHED', 'RELATED,ESTABLISHED', 'INVALID', 'UNTRACKED', 'DNAT', 'SNAT', 'SNAT,INVALID', 'NEW,DNAT')}",
            f"--ctdir {self.some('ORIGINAL', 'REPLY')}",
            f"{self.no()}--ctproto {self.some('6', '17')}",
            f"{self.no()}--ctorigdst {self.random.choice(self.hosts)}",
            f"{self.no()}--ctreplsrc {self.random.choice(self.hosts)}",
            f"{self.no()}--ctorigdstport {self.some('80', '1:100')}",
            f"{self.no()}--ctstatus {self.some('SEEN_REPLY', 'CONFIRMED', 'SEEN_REPLY,CONFIRMED')}",
        )
        if self.random.random() < 0.2:
            return f"-m state {self.no()}--state {self.some('NEW', 'ESTABLISHED', 'INVALID,UNTRACKED')}"
        return f"-m conntrack {self.some(*options, options[0], options[0], options[0])}"

    def chance(self) -> str:
        return self.some(
            "-m statistic --mode random --probability 1.0",
            "-m statistic --mode random --probability 0.5",
            "-m statistic --mode nth --every 2 --packet 0",
            f"-m recent --name {self.some('one', 'two')} --{self.some('set', 'set', 'rcheck', 'update', 'remove')} --{self.some('rsource', 'rdest')}",
        )

    def ip_set(self) -> str:
        name = self.random.choice(list(self.known_sets))
        sides = self.known_sets[name]
        if self.random.random() < 0.3:
            sides = ",".join(self.some("src", "dst") for _ in sides.split(","))
        return f"-m set {self.no()}--match-set {name}{self.family} {sides}"

    def other(self) -> str:
        ttl = (
            f"-m ttl {self.some('--ttl-eq', '--ttl-lt', '--ttl-gt', '! --ttl-eq')}"
            if self.family == 4
            else f"-m hl {self.some('--hl-eq', '--hl-lt', '--hl-gt')}"
        )
        first, last = (f"{self.hosts[0]}", f"{self.hosts[-1]}") if self.family == 4 else ("fd77:1::1", "fd77:2::2")
        return self.some(
            f"-m iprange {self.no()}{self.some('--src-range', '--dst-range')} {first}-{last}",
            f"-m length {self.no()}--length {self.some('0:31', '32:39', '40', '40:60')}",
            f"{ttl} {self.some('63', '64')}",
            f"-m pkttype {self.no()}--pkt-type {self.some('unicast', 'multicast')}",
            f"-m physdev {self.no()}--physdev-is-bridged",
            f"-m dscp {self.no()}--dscp {self.some('0x00', '0x0a', '0x04')}",
            f"-m tos {self.no()}--tos {self.some('0x00/0x3f', '0x10/0x3f', '0x10', '0x28/0xfc')}",
            f"-m ecn {self.no()}--ecn-ip-ect {self.some('0', '1')}",
        )

    def types(self) -> str:
        return f"-m addrtype {self.no()}{self.some('--src-type', '--dst-type', '--dst-type')} {self.some('LOCAL', 'UNICAST', 'LOCAL,MULTICAST')}"

    def target(self, table: str, hook: str, below: list[str]) -> str:
        common = ["-j ACCEPT", "-j RETURN", ""]
        marks = [
            f"-j MARK {self.some('--set-xmark 0x1/0x1', '--set-mark 0x2', '--or-mark 0x4', '--and-mark 0xfffffffe', '--xor-mark 0x3', '--set-xmark 0x4/0x0')}"
        ] * 2
        connection = [
            f"-j CONNMARK {self.some('--set-xmark 0x2/0x2', '--save-mark --nfmask 0x3 --ctmask 0x3', '--restore-mark --nfmask 0xf --ctmask 0xf', '--save-mark')}"
        ]
        jumps = (
            [f"-j {self.random.choice(below)}", f"-j {self.random.choice(below)}", f"-g {self.random.choice(below)}"]
            if below
            else []
        )
        own = {
            "raw": [
                "-j NOTRACK",
                "-j CT --notrack",
                "-j DROP",
                "-j CT --zone 1",
                self.zone(),
            ],
            "mangle": [*marks, *connection, "-j DROP", *self.services()],
            "nat": self.translations(hook) * 2,
            "filter": ["-j DROP", "-j REJECT", "-j DROP", "-j ACCEPT", *marks],
            "security": ["-j DROP", *connection],
        }[table]
        return self.random.choice([*common, *jumps, *jumps, *own, *marks])

    def zone(self) -> str:
        if not self.directed:
            return "-j CT --zone 2"
        return f"-j CT {self.some('--zone', '--zone-orig', '--zone-reply')} {self.some('1', '2', 'mark')}"

    def services(self) -> list[str]:
        """Types of service are set in mangle alone."""
        tos = self.some("--set-tos 0x10", "--set-tos 0x10/0x3f", "--and-tos 0xfc", "--or-tos 0x28", "--xor-tos 0x11")
        return [f"-j DSCP --set-dscp {self.some('0x0a', '0x04', '0x00')}", f"-j TOS {tos}"]

    def translations(self, hook: str) -> list[str]:
        bracket = (lambda host: f"[{host}]") if self.family == 6 else (lambda host: host)
        server = self.random.choice(self.servers)
        if hook in ("POSTROUTING", "INPUT"):
            source = self.random.choice(self.router) if hook == "POSTROUTING" else self.hosts[0]
            moved = self.some(" --random", " --random-fully")
            masquerade = ["-j MASQUERADE", f"-j MASQUERADE{moved}"] if hook == "POSTROUTING" else []
            ranged = f"-j SNAT --to-source {bracket(source)}:{self.some('1-500', '10000-10004', '8070-8085', '60-90')}"
            return [
                f"-j SNAT --to-source {source}{self.some('', moved)}",
                f"-j NETMAP --to {source}",
                *masquerade,
                f"{ranged}{self.some('', moved)}",
            ]
        result = [f"-j DNAT --to-destination {server}", f"-j DNAT --to-destination {bracket(server)}:{self.some('80', '53')}"]
        result.append(f"-j NETMAP --to {server}")
        if self.shifted:
            result.append(f"-j DNAT --to-destination {bracket(server)}:{self.some('80-83/53', '8080-8081/80', '50-59/440')}")
        if hook == "PREROUTING":
            result += ["-j REDIRECT --to-ports 80", "-j REDIRECT", f"-j DNAT --to-destination {self.router[0]}"]
            result.append(f"-j DNAT --to-destination {self.servers[0]}-{self.servers[1]}")
            result.append(f"-j REDIRECT --to-ports {self.some('80-90', '8080-8443')}{self.some('', ' --random')}")
        result.append(f"-j DNAT --to-destination {bracket(server)}:{self.some('60-90', '8070-8085')}{self.some('', ' --random')}")
        return result

    def sets(self) -> str:
        """The text of sets for ``ipset restore``."""
        net, host, port = self.networks, self.host, self.port
        kind = "icmp" if self.family == 4 else "icmpv6"
        members = {
            "s-ip": [host()],
            "s-net": [f"{net[1]}", f"{net[0]} nomatch" if self.random.random() < 0.3 else net[2], f"{host()} nomatch"],
            "s-ipport": [f"{host()},{port()}", f"{host()},{port()}", f"{self.servers[0]},{kind}:echo-request"],
            "s-ipportip": [f"{host()},{port()},{host()}" for _ in range(4)],
            "s-ipportnet": [f"{host()},{port()},{net[self.random.randrange(3)]}" for _ in range(3)],
            "s-netport": [f"{self.random.choice(net)},{port()}" for _ in range(2)],
            "s-netnet": [
                f"{self.random.choice(net)},{self.random.choice(net)}{' nomatch' if index else ''}" for index in range(2)
            ],
            "s-netiface": [f"{self.random.choice(net)},{self.some('near', 'far')}"],
            "s-port": [self.some("80", "53"), "443"],
            "s-list": [f"s-ipport{self.family}", f"s-netport{self.family}"],
        }
        lines = []
        for name in self.known_sets:
            kind_of = SETS[name][0]
            options = {"bitmap:port": " range 0-65535", "list:set": ""}.get(
                kind_of, f" family {'inet' if self.family == 4 else 'inet6'}"
            )
            lines.append(f"create {name}{self.family} {kind_of}{options}")
            last = {member.removesuffix(" nomatch"): member for member in members[name]}
            lines += [f"add -exist {name}{self.family} {member}" for member in last.values()]
        return "\n".join(lines) + "\n"
