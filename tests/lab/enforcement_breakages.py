"""Ways in which what enforces policies is not what they say: sets that are behind, rules that are gone, workloads that nobody filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from random import Random

from tests.lab.build import Lab
from tests.lab.plan import Node

Apply = Callable[[Lab, Random], None]
OF_POLICIES = re.compile(
    r"-A (cali-p[io]-_|KUBE-NWPLCY-[A-Z2-7]{16}|ROMANA-P-|ROMANA-FORWARD-IN |WEAVE-NPC-(INGRESS|EGRESS-CUSTOM|DEFAULT|EGRESS-DEFAULT) )"
)
OF_WORKLOADS = re.compile(
    r"-A (cali-(from|to)-wl-dispatch -[io] cali\w+ |KUBE-ROUTER-FORWARD -[sd] |FORWARD -[io] romana-|FORWARD -[io] \S+ .*WEAVE-NPC|cali-[ft]w-\w+ .*(End of tier|Start of tier))"
)
OF_SETS = ("cali40s:", "cali40n:", "KUBE-", "weave-", "ROMANA-", "localBlocks")


def set_member_lost(lab: Lab, random: Random) -> None:
    """An address is not in its set any more."""
    for node in shuffled(lab, random):
        members = [(name, member) for name, member in listed(lab, node) if name.startswith(OF_SETS)]
        if members:
            name, member = random.choice(members)
            lab.run(node.name, "ipset restore", f"del {name} {member}\n")
            return


def set_member_stale(lab: Lab, random: Random) -> None:
    """A set has the address of another pod, as of one that had it before."""
    pods = [pod for pod in lab.pods if not pod.host_network]
    for node in shuffled(lab, random):
        names = sorted(
            {
                name
                for name, member in listed(lab, node)
                if name.startswith(OF_SETS) and member[:1].isdigit() and "," not in member
            }
        )
        if names:
            lab.run(node.name, "ipset restore -exist", f"add {random.choice(names)} {random.choice(pods).addresses[0]}\n")
            return


def set_flushed(lab: Lab, random: Random) -> None:
    """A set is empty."""
    for node in shuffled(lab, random):
        names = sorted({name for name, _ in listed(lab, node) if name.startswith(OF_SETS)})
        if names:
            lab.run(node.name, "ipset restore", f"flush {random.choice(names)}\n")
            return


def policy_rule_lost(lab: Lab, random: Random) -> None:
    """A rule of a policy is gone."""
    without(lab, random, OF_POLICIES)


def workload_not_filtered(lab: Lab, random: Random) -> None:
    """Packets of a workload are not sent to its chain, or its chain does not end as it should."""
    without(lab, random, OF_WORKLOADS)


def services_before_policies(lab: Lab, random: Random) -> None:
    """kube-proxy's rules stand before Felix's, as with chainInsertMode Append: what kube-proxy has marked to be masqueraded is accepted before policies see it."""
    for node in shuffled(lab, random):
        rules = lab.run(node.name, "iptables-save -t filter").splitlines()
        if any(line.startswith("-A KUBE-FORWARD ") for line in rules):
            lab.run(node.name, "iptables -w -I FORWARD 1 -j KUBE-FORWARD")


def without(lab: Lab, random: Random, pattern: re.Pattern[str]) -> None:
    """Takes one of the rules away that look like this, from some node."""
    for node in shuffled(lab, random):
        lines = lab.run(node.name, "iptables-save -t filter").splitlines()
        found = [number for number, line in enumerate(lines) if pattern.match(line)]
        if found:
            del lines[random.choice(found)]
            lab.run(node.name, "iptables-restore", "\n".join(line for line in lines if not line.startswith("#")) + "\n")
            return


def shuffled(lab: Lab, random: Random) -> list[Node]:
    """The nodes in some order."""
    return random.sample(lab.nodes, len(lab.nodes))


def listed(lab: Lab, node: Node) -> Iterator[tuple[str, str]]:
    """The members of the node's sets."""
    for line in lab.run(node.name, "ipset save").splitlines():
        if line.startswith("add "):
            _, name, member, *_ = line.split(" ")
            yield name, member


ALL: tuple[Apply, ...] = (
    set_member_lost,
    set_member_stale,
    set_flushed,
    policy_rule_lost,
    workload_not_filtered,
    services_before_policies,
)
