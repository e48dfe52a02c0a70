"""Pods with more than one address: their routes, and for IPv6 RFC 6724, choose what they send from."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from random import Random

from tests.lab.build import Lab
from tests.lab.plan import Pod

Apply = Callable[[Lab, Random], None]


def another(lab: Lab, random: Random, one: Pod, family: int) -> str:
    """An address of the node's own network that nobody has, which the pod gets."""
    network = lab.node(one.node).pod_cidr(family)
    number = random.randrange(200, 250)
    found = str(ip_network(network)[number])
    lab.more.setdefault(one.key, []).append(found)
    return found


def pod_source_chosen(lab: Lab, random: Random) -> None:
    """A pod's route, for all or for one other node, names another of its addresses."""
    one = random.choice([pod for pod in lab.pods if not pod.host_network])
    second = another(lab, random, one, 4)
    flag = random.choice(("", "", "scope link"))
    lab.run(one.key, f"ip addr add {second}/32 {flag} dev {random.choice(('eth0', 'lo'))}")
    way = lab.run(one.key, "ip -4 route show default").strip().splitlines()[0].removeprefix("default").strip()
    target = random.choice(("default", *(node.pod_cidr() for node in lab.nodes)))
    lab.run(one.key, f"ip route replace {target} {way} {random.choice((f'src {second}', f'src {second}', ''))}")


def pod_addresses_six(lab: Lab, random: Random) -> None:
    """A pod has several IPv6 addresses: which of them it sends from depends on the destination."""
    one = random.choice([pod for pod in lab.pods if not pod.host_network])
    for _ in range(random.choice((1, 2, 3))):
        second = another(lab, random, one, 6)
        more = random.choice(("", "", "preferred_lft 0", "preferred_lft 100 valid_lft 1000"))
        lab.run(
            one.key,
            f"ip -6 addr add {second}/{random.choice((128, 112, 120))} dev {random.choice(('eth0', 'eth0', 'lo'))} nodad {more}",
        )


def pod_rule_from(lab: Lab, random: Random) -> None:
    """A pod's rule is about what it sends from its own address: a table that leads elsewhere, or nowhere."""
    one = random.choice([pod for pod in lab.pods if not pod.host_network])
    for address in one.addresses:
        six = "-6 " if ":" in address else ""
        action = random.choice(("lookup 77", "blackhole", "lookup main suppress_prefixlength 0"))
        lab.run(one.key, f"ip {six}rule add pref 500 from {address} {action}; ip {six}route add unreachable default table 77")


def network_of_its_own(lab: Lab, random: Random) -> None:
    """A node or a pod takes a network of pods for its own, by a route or by an address of lo: routes to single pods are within it, and count as long as no rule was added."""
    one = random.choice([pod for pod in lab.pods if not pod.host_network])
    where = random.choice((one.node, one.node, one.key))
    network = ip_network(f"{one.addresses[0]}/{random.choice((22, 24, 29))}", strict=False)
    own = random.choice(
        (f"ip route add local {network} dev lo table local", f"ip addr add {network[-3]}/{network.prefixlen} dev lo")
    )
    lab.run(where, own + random.choice(("", "", "; ip rule add pref 700 from 192.0.2.1 lookup 78")))


WIRED: tuple[Apply, ...] = (pod_source_chosen, pod_rule_from, network_of_its_own)
SIX: tuple[Apply, ...] = (pod_addresses_six,)
