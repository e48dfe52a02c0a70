"""Commands on a node, held against what the node's own tools say after them: one namespace with a bit of everything is captured, changed and captured again.

What ``whatif --node-run`` makes of the first capture has to be the second.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

from analyzer.api import load
from analyzer.capture.reading import facts
from analyzer.facts.base import Fact
from analyzer.facts.links import AddressFact
from analyzer.facts.neighbours import ForwardingFact, NeighbourFact
from analyzer.facts.netfilter import IpsetFact, RulesetFact
from analyzer.facts.routes import NextHopFact, RouteFact, RoutingRuleFact
from analyzer.facts.system import ConnectionFact, FilterFact, QdiscFact
from analyzer.query.whatif.edits import EditError, NodeRun
from analyzer.query.whatif.node import ran
from analyzer.query.whatif.state import NodeState
from tests.lab.capture import COLLECTOR
from tests.lab.machine import CommandError, Machine

SETUP = """
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.addr_gen_mode=1
ip link set lo up
for n in 0 1; do ip link add eth$n type veth peer name far$n; ip link set far$n up; ip link set eth$n up; done
ip addr add 192.168.0.11/24 dev eth0; ip addr add fd00::11/64 dev eth0
for n in 1 2 3; do ip addr add 172.16.0.$n/24 dev eth1; done
ip link add cni0 type bridge; ip link set cni0 address 0a:00:00:00:00:01; ip link set cni0 up; ip addr add 10.244.1.1/24 dev cni0
ip link add veth1 type veth peer name pod1; ip link set veth1 master cni0; ip link set veth1 up; ip link set pod1 up
ip link add flannel.1 type vxlan id 1 local 192.168.0.11 dev eth0 dstport 8472 nolearning; ip link set flannel.1 up
ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
ip neigh add 10.244.2.0 lladdr 0a:00:00:00:00:02 dev flannel.1 nud permanent
ip neigh add 192.168.0.12 lladdr 0a:00:00:00:00:12 dev eth0 nud stale
bridge fdb append 0a:00:00:00:00:02 dev flannel.1 dst 192.168.0.12
ip route add default via 192.168.0.1; ip -6 route add default via fd00::1; ip route add default via 192.168.0.2 table 100
ip nexthop add id 7 via 192.168.0.7 dev eth0; ip nexthop add id 8 via 192.168.0.8 dev eth0; ip nexthop add id 9 group 7/8
ip route add 10.99.0.0/16 nhid 9; ip route add 10.98.0.0/16 nhid 7
ip rule add from 10.244.1.0/24 lookup 100 pref 1000; ip rule add fwmark 0x10 lookup 101
iptables -N MINE; iptables -A MINE -s 10.9.0.0/16 -j DROP; iptables -A FORWARD -j MINE; ip6tables -P FORWARD DROP
ipset create blocked hash:ip; ipset add blocked 10.9.9.9; ipset create other hash:ip; ipset add other 10.9.9.8
iptables -A FORWARD -m set --match-set blocked src -j DROP
nft 'add table inet fw; add set inet fw s { type ipv4_addr; }; add element inet fw s { 10.9.9.9, 10.9.9.10 }'
nft 'add map inet fw m { type inet_service : verdict; }; add element inet fw m { 81 : drop, 82 : drop }'
tc qdisc add dev eth0 clsact; tc filter add dev eth0 ingress pref 10 protocol ip u32 match ip dst 10.1.2.3/32 action mirred egress redirect dev veth1
for n in 1 2 3; do conntrack -I -p tcp -s 10.244.1.11 -d 10.244.2.$n --sport 4000$n --dport 80 --state ESTABLISHED -t 600 -u ASSURED,SEEN_REPLY; done
conntrack -I -p udp -s 10.244.1.12 -d 10.96.0.10 -r 10.244.2.5 -q 10.244.1.12 --sport 40005 --dport 53 --reply-port-src 53 --reply-port-dst 40005 -t 600
"""
DONE: tuple[tuple[str, ...], ...] = (
    (
        "sysctl -qw net.ipv4.conf.eth1.promote_secondaries=1; ip addr del 172.16.0.1/24 dev eth1",
        "route add default gw 192.168.0.9; route del -net 10.244.2.0/24; route add -net 10.50.0.0 netmask 255.255.0.0 dev eth0",
        "ip rule del pref 1000; ip rule del table 101; ip rule add not from 10.1.0.0/16 iif cni0 table 7 pref 60",
        "ip nexthop del id 8; ip nexthop replace id 7 via 192.168.0.70 dev eth0; ip route add 10.60.0.0/16 nhid 9",
        "ipset swap blocked other; arp -s 192.168.0.13 0a:00:00:00:00:13; arp -d 192.168.0.12",
        "conntrack -D -s 10.244.1.0/24 -d 10.244.2.2; conntrack -D --protonum 17 -f ipv4",
        "tc filter del dev eth0 ingress pref 10; bridge fdb replace 0a:00:00:00:00:02 dev flannel.1 dst 192.168.0.13",
        "nft delete element inet fw m { 81 }; nft add element inet fw s { 10.1.1.1 }; nft delete element inet fw s { 10.9.9.9 }",
        "iptables -I FORWARD 2 -s 10.1.2.3,10.1.2.4 -p tcp --dport 80 -j REJECT --reject-with tcp-reset; iptables -P INPUT DROP",
        "ip6tables -A FORWARD -s fd05::/64 -j ACCEPT; ip6tables -P FORWARD ACCEPT",
    ),
    (
        "ip link set eth1 down",
        "ip nexthop flush; ip route prepend 10.244.2.0/24 via 192.168.0.3; ip rule flush; ip -6 rule flush",
        "ip route flush table 100; tc qdisc del dev eth0 clsact; conntrack -F; ipset rename other third",
        "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1",
        "iptables -F MINE; iptables -D FORWARD -j MINE; iptables -X MINE",
    ),
    (
        "ip link set eth1 down; ip link set eth1 up; ip link set eth0 down; ip link set eth0 up",
        "sysctl -qw net.ipv4.conf.all.promote_secondaries=1; ip addr flush dev cni0; ip addr add 10.77.0.1/24 dev cni0",
        "ip addr add 10.77.0.2/24 dev cni0; nft delete element inet fw m { 82 : drop }; ipset destroy other",
    ),
    (
        "sysctl -qw net.ipv4.conf.all.promote_secondaries=1; ip addr flush dev eth1; ip link set cni0 down; ip route flush dev flannel.1",
    ),
    ("ip link del eth1; ip addr del 192.168.0.11/24 dev eth0",),
)
"""Commands that are made, one group on one network."""
REFUSED = (
    "ip route add 10.60.0.0/16 nhid 99",
    "ip route add 10.60.0.0/16 via 192.168.9.3 dev eth0",
    "ip route add 10.60.0.0/16 dev nothing",
    "ip route add 10.60.0.0/16 dev eth0 src 10.9.9.9",
    "ip route del 10.60.0.0/16",
    "ip rule del from 10.77.0.0/16",
    "ip rule add from fd05::/64 table 9",
    "ip rule add from 10.244.1.0/24 lookup 100 pref 1000",
    "ip nexthop add id 7 via 192.168.0.70 dev eth0",
    "ip nexthop del id 77",
    "sysctl -w net.ipv4.nothing=1",
    "ipset swap blocked nothing",
    "ipset destroy blocked",
    "ipset rename blocked third",
    "ipset add blocked 10.1.0.1 timeout 50",
    "iptables -I FORWARD -s 10.1.0.0/16 -j NOTHING",
    "iptables -A FORWARD -j REJECT --reject-with tcp-reset",
    "iptables -A FORWARD -m set --match-set nothing src -j DROP",
    "ip6tables -A FORWARD -s 10.0.0.0/8 -j DROP",
    "conntrack -D -s 10.99.0.0/24",
    "arp -i eth0 -d 192.168.0.99",
    "route del -net 10.244.3.0/24",
    "bridge fdb del 0a:00:00:00:00:98 dev veth1 master",
)
KINDS = (
    AddressFact,
    NeighbourFact,
    ForwardingFact,
    RouteFact,
    RoutingRuleFact,
    NextHopFact,
    IpsetFact,
    FilterFact,
    QdiscFact,
    ConnectionFact,
)
BESIDE = frozenset({"at", "order", "seconds", "label", "options"})
"""What a command does not say, or a clock does."""


def said(given: Iterable[Fact]) -> Counter[str]:
    """What facts say, as far as commands decide it."""
    found: Counter[str] = Counter()
    for fact in given:
        if isinstance(fact, KINDS) and not passing(fact):
            found[
                f"{type(fact).__name__} {[(one.name, plain(one.name, getattr(fact, one.name))) for one in fields(fact) if one.name not in BESIDE]}"
            ] = 1
        elif isinstance(fact, RulesetFact):
            found.update(rules(fact))
    return found


def rules(fact: RulesetFact) -> Iterable[str]:
    """The chains and rules of tables."""
    for table, chains in fact.tables.items():
        for name, chain in chains.items():
            yield f"{fact.family} {table} {name} {chain.policy}"
            yield from (
                f"{fact.family} {table} {name} {number} {list(map(str, rule.matches))} {rule.target}"
                for number, rule in enumerate(chain.rules)
            )


def passing(fact: Fact) -> bool:
    """What comes and goes by itself."""
    match fact:
        case NeighbourFact(states=states):
            return "NOARP" in states
        case ForwardingFact(own=own, destination=destination):
            return own and destination is None
        case RouteFact(kind=kind):
            return kind in ("multicast", "anycast")
        case ConnectionFact(protocol=protocol):
            return protocol in (2, 58)
        case _:
            return False


def plain(name: str, value: object) -> object:
    """A value in one spelling."""
    if name == "scope_name":
        return value or "global"
    return sorted(map(str, value)) if isinstance(value, frozenset) else re.sub(r"at=Span\([^)]*\)", "", str(value))


def captured(machine: Machine) -> NodeState:
    """The network as the collector finds it."""
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:
        machine.run("n1", f"sh '{COLLECTOR}' --node n1 --output '{folder}'")
        given = load(Path(folder)).given
        return NodeState(given.sources, facts(given.sources)[0], given.network.peers)


def differences(machine: Machine, commands: Sequence[str]) -> list[str]:
    """What is otherwise after the commands than was said."""
    before = state = captured(machine)
    for command in commands:
        state = ran(state, NodeRun("n1", command))
        machine.run("n1", command)
    told, found = said(state.facts), said(captured(machine).facts)
    assert told != said(before.facts)
    return [f"only said: {one}" for one in sorted(told - found)] + [f"only found: {one}" for one in sorted(found - told)]


def accepted(machine: Machine, commands: Iterable[str]) -> list[str]:
    """Which of the commands the kernel, or the analyzer, takes; both are to refuse them all."""
    state, found = captured(machine), []
    for command in commands:
        try:
            machine.run("n1", command)
            found.append(f"the kernel takes {command}")
        except CommandError:
            pass
        try:
            ran(state, NodeRun("n1", command))
            found.append(f"the analyzer takes {command}")
        except EditError:
            pass
    return found
