"""Whether a sender hears that its packets are too long: what the walk says of the ICMP error, and what the sender's kernel has learned."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from analyzer.api import load
from analyzer.solve.packet import Fate
from tests.lab import compare
from tests.lab.build import Lab, build
from tests.lab.capture import capture, settle
from tests.lab.machine import Machine, missing
from tests.lab.plan import Pod
from tests.lab.probes import Probe, send
from tests.lab.scenarios import pods, scenario

REASON = missing()
pytestmark = [pytest.mark.lab, pytest.mark.skipif(REASON is not None, reason=REASON or "")]
SMALL_UPLINK = "ip link set eth0 mtu 1400"
NARROW = "ip route change 10.244.1.0/24 dev cni0 proto kernel scope link src 10.244.1.1 mtu lock 1300"
NARROW_SIX = "ip -6 route change fd00:10:244:1::/64 via fd00:10:244:1:: dev flannel-v6.1 onlink mtu 1300"
CASES = {
    "heard": ("host-gw", {"node-a": SMALL_UPLINK}, "comes back"),
    "its node lets no errors out": (
        "host-gw",
        {"node-a": f"{SMALL_UPLINK}; iptables -I OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP"},
        "does not come back (node-a: dropped by",
    ),
    "the node lets related packets out": (
        "host-gw",
        {"node-a": f"{SMALL_UPLINK}; iptables -P OUTPUT DROP; iptables -I OUTPUT -m conntrack --ctstate RELATED -j ACCEPT"},
        "comes back",
    ),
    "the node drops what is invalid": (
        "host-gw",
        {"node-a": f"{SMALL_UPLINK}; iptables -I OUTPUT -m conntrack --ctstate INVALID -j DROP"},
        "comes back",
    ),
    "the pod lets no errors in": (
        "host-gw",
        {"node-a": SMALL_UPLINK, "pod": "iptables -I INPUT -p icmp --icmp-type 3 -j DROP"},
        "does not",
    ),
    "through a translation": (
        "host-gw",
        {"node-a": "iptables -t nat -I POSTROUTING -s 10.244.0.0/24 -d 10.244.1.0/24 -j MASQUERADE", "node-b": NARROW},
        "comes back",
    ),
    "through a translation, refused as new": (
        "host-gw",
        {
            "node-a": "iptables -t nat -I POSTROUTING -s 10.244.0.0/24 -d 10.244.1.0/24 -j MASQUERADE; "
            "iptables -I FORWARD -i eth0 -p icmp -m conntrack --ctstate RELATED -j DROP",
            "node-b": NARROW,
        },
        "does not",
    ),
    "a bridge's port": (
        "host-gw",
        {"node-a": "for d in /sys/class/net/veth*; do ip link set ${d##*/} mtu 1300; done"},
        "nobody tells",
    ),
    "six": ("flannel-dual-stack", {"node-a": NARROW_SIX}, "comes back"),
    "six, no errors in": (
        "flannel-dual-stack",
        {"node-a": NARROW_SIX, "pod": "ip6tables -I INPUT -p icmpv6 --icmpv6-type 2 -j DROP"},
        "does not",
    ),
}


def changed(lab: Lab, where: dict[str, str], one: Pod) -> None:
    """Runs the commands of a case, on nodes or in the pod that sends."""
    for name, script in where.items():
        lab.run(one.key if name == "pod" else name, script)


@pytest.mark.parametrize("case", CASES)
def test_the_sender_hears_what_the_walk_says(case: str, tmp_path: Path) -> None:
    name, where, words = CASES[case]
    random = Random(1)
    with Machine() as machine:
        lab = build(machine, scenario(name), pods(scenario(name), random), [])
        one, other = (next(pod for pod in lab.pods if pod.node == node and not pod.host_network) for node in ("node-a", "node-b"))
        changed(lab, where, one)
        capture(lab, tmp_path)
        target = other.addresses[-1] if "six" in case else other.addresses[0]
        small, large = (Probe(one.key, target, "ICMP", 0, 20000, size=size) for size in (0, 1420 if name == "host-gw" else 1350))
        settle(lab)
        assert send(lab, [small], 1.0)[0].answered
        result = send(lab, [large], 1.0)[0]
        learned = " mtu " in lab.run(one.key, f"ip route get {target}")
    told = compare.predict(load(tmp_path), large)
    assert not result.answered
    assert told.fate is Fate.UNREACHABLE
    assert words in told.outcomes[0].reason
    assert learned == ("comes back to the sender" in told.outcomes[0].reason)
