"""What a node's eth0 is where it is no card: a VLAN, a bond or a bridge over cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.plan import Scenario

if TYPE_CHECKING:
    from tests.lab.build import Lab

VLAN = 100
COMMANDS = {
    "vlan": f"ip link set nic0 up\nip link add link nic0 name eth0 type vlan id {VLAN}\n",
    "bond": "ip link add eth0 type bond mode active-backup miimon 100\nip link set nic0 master eth0\nip link set nic1 master eth0\n",
    "bridge": "ip link add eth0 type bridge\nip link set nic0 up\nip link set nic0 master eth0\n",
}


def card(scenario: Scenario, number: int) -> str:
    """The name of a machine's card."""
    return "eth0" if scenario.uplink == "plain" else f"nic{number}"


def raise_all(lab: Lab) -> None:
    """Makes eth0 of every machine of its cards."""
    if lab.scenario.uplink == "plain":
        return
    for number, name in enumerate(["outside", *(node.name for node in lab.machines)]):
        if lab.scenario.uplink == "bond":
            peer, port = lab.machine.agents[name].pid, f"spare{number}"
            lab.run("underlay", f"ip link add {port} type veth peer name nic1 netns {peer}\nip link set {port} master br0 up")
        lab.run(name, COMMANDS[lab.scenario.uplink])
