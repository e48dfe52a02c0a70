"""Commands on a node as edits of a capture: what each breaks, what undoes it, and what is refused. Held against the kernel in test_edited_lab.py."""

from __future__ import annotations

from pathlib import Path

import pytest

import analyzer
from analyzer.api import Capture
from analyzer.query.whatif.edits import EditError
from analyzer.query.whatif.node import commands
from tests.captures import files_of

HEALTHY = Path(__file__).parent.parent / "samples" / "healthy" / "flannel-docker-nodelocaldns.txt"
MORE = {
    "nodes/n1/ipset_save": "create blocked hash:ip family inet hashsize 1024 maxelem 65536\nadd blocked 10.9.9.9\n",
    "nodes/n1/nft_-a_list_ruleset": """table inet firewall { # handle 1
\tset strangers { # handle 2
\t\ttype ipv4_addr
\t\telements = { 10.9.9.9, 10.9.9.10 }
\t}
\tchain forward { # handle 3
\t\ttype filter hook forward priority filter; policy accept;
\t\tip saddr @strangers drop # handle 4
\t}
}
""",
}
RULED = (
    "iptables -I FORWARD -m set --match-set blocked src -j DROP",
    "iptables -D FORWARD -m set --match-set blocked src -j DROP",
)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    folder = tmp_path_factory.mktemp("capture")
    for name, text in {**files_of(HEALTHY.read_text()), **MORE}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return analyzer.load(folder, assume_defaults=True)


def after(capture: Capture, *texts: str) -> Capture:
    """The capture after commands; those of a pod's namespace begin with its name and a colon."""
    for text in texts:
        space, colon, command = text.partition(": ")
        place, command = (f"n1/{space}", command) if colon and "_" in space else ("n1", text)
        capture = capture.whatif(node_run={place: command}).after
    return capture


def ends(capture: Capture) -> tuple[str, list[str | None], list[str]]:
    """What becomes of a packet from n1's pod to n2's."""
    found = capture.trace("default/web-1", "default/web-2", port=80)
    return found.fate.value, [one.delivered_to for one in found.outcomes], [one.reason for one in found.outcomes]


BREAKING = {
    "ip addr flush dev flannel.1": "the router 192.168.0.1 was not captured",
    "ip link set veth10000001 nomaster": "rp_filter refuses",
    "ip addr del 192.168.0.11/24 dev eth0": "flannel.1 sends from 192.168.0.11, which no interface of n1 has",
    "ip link set eth0 address 52:54:00:00:09:09; ip link set dev flannel.1 address d6:02:00:00:09:09": "",
    "ip link del flannel.1": "the router 192.168.0.1 was not captured",
    "default_web-1: ip addr flush dev eth0": "no route",
    "default_web-1: ip link del eth0": "no route",
    "ipset add blocked 10.244.1.5; iptables -I FORWARD -m set --match-set blocked src -j DROP": "dropped by filter FORWARD rule 1",
    "ipset create mine hash:net\nipset add mine 10.244.1.0/24\niptables -t raw -A PREROUTING -m set --match-set mine src -j DROP": "raw PREROUTING",
    "iptables -N MINE && iptables -A MINE -j DROP && iptables -I FORWARD -m comment --comment 'for all of us' -j MINE": "MINE",
    "iptables -I FORWARD -d 10.9.9.9,10.244.2.5 -s 10.9.9.9,10.244.1.5 -j DROP": "dropped by filter FORWARD rule 1",
    "iptables -R FORWARD 1 -j DROP": "dropped by filter FORWARD rule 1",
    "iptables -F FORWARD; iptables -P FORWARD DROP": "policy",
    "nft add rule inet firewall forward ip saddr 10.244.1.0/24 drop": "firewall",
    "nft insert rule inet firewall forward tcp dport 80 reject": "firewall",
    "nft add element inet firewall strangers '{ 10.244.1.5 }'": "firewall",
    "nft add table ip other; nft 'add chain ip other in { type filter hook prerouting priority raw; policy drop; }'": "other",
    "route del -net 10.244.2.0 netmask 255.255.255.0; route add -net 10.244.2.0/24 reject": "unreachable",
    "arp -i flannel.1 -s 10.244.2.0 d6:02:00:00:00:99 2>/dev/null": "no forwarding entry",
    "bridge link set dev veth10000001 state 4": "is blocking",
}


@pytest.mark.parametrize("command", BREAKING)
def test_a_command_breaks_the_way(capture: Capture, command: str) -> None:
    fate, _, reasons = ends(after(capture, command))
    assert fate == ("unknown" if "was not captured" in BREAKING[command] else "unreachable")
    assert BREAKING[command] in " ".join(reasons)


UNDONE = (
    ("ip addr add 10.9.0.1/24 dev eth0", "ip addr del 10.9.0.1/24 dev eth0"),
    ("ip addr add 192.168.0.99/24 dev eth0", "ip addr del 192.168.0.99/24 dev eth0"),
    ("ip link set flannel.1 address d6:02:00:00:09:09", "ip link set flannel.1 address d6:02:00:00:00:01"),
    ("ipset add blocked 10.244.1.5", *RULED[:1], "ipset del blocked 10.244.1.5"),
    ("ipset add blocked 10.244.1.5", *RULED),
    ("ipset add blocked 10.244.1.5 -exist", *RULED[:1], "ipset flush blocked"),
    ("iptables -I FORWARD -p tcp --dport 80 -j DROP", "iptables -D FORWARD -p tcp -m tcp --dport 80 -j DROP"),
    ("iptables -I FORWARD -s 10.244.1.5 -j DROP", "iptables -D FORWARD -s 10.244.1.5/32 -j DROP"),
    ("iptables -N MINE", "iptables -X MINE"),
    ("nft add rule inet firewall forward drop", "nft flush chain inet firewall forward"),
    ("nft add rule inet firewall forward drop", "nft delete table inet firewall"),
    ("nft add element inet firewall strangers { 10.244.1.5 }", "nft delete element inet firewall strangers { 10.244.1.5 }"),
    ("nft add element inet firewall strangers { 10.244.1.5 }", "nft delete rule inet firewall forward handle 4"),
    ("bridge link set dev veth10000001 state blocking", "bridge link set dev veth10000001 state 3"),
    ("arp -i flannel.1 -d 10.244.2.0", "arp -i flannel.1 -s 10.244.2.0 d6:02:00:00:00:02"),
    ("ip neigh flush all",),
    ("conntrack -F",),
)


@pytest.mark.parametrize("texts", UNDONE)
def test_what_is_done_and_undone_changes_nothing(capture: Capture, texts: tuple[str, ...]) -> None:
    assert ends(after(capture, *texts)) == ends(capture)


REFUSED = {
    "ip addr add 192.168.0.11/24 dev eth0": "File exists",
    "ip addr del 10.9.9.9/24 dev eth0": "Cannot assign requested address",
    "ip addr add 10.9.9.9/33 dev eth0": "length",
    "ip addr add 10.9.9.9/24 dev nothing": "no device nothing",
    "ip link set veth10000001 address 00:00:00:00:00:01": "takes another address",
    "ip link set eth0 master docker9": "no bridge",
    "ip link del cni0": "its ports",
    "ipset add nothing 10.0.0.1": "no set nothing",
    "ipset add blocked 10.9.9.9": "already added",
    "ipset add blocked 10.9.9.0/24": "one by one",
    "ipset del blocked 10.0.0.1": "not added",
    "ipset create blocked hash:ip": "already exists",
    "iptables -N FORWARD": "Chain already exists",
    "iptables -t nat -X KUBE-SERVICES": "has rules",
    "iptables -R FORWARD 99 -j DROP": "Index of replacement",
    "iptables -D FORWARD -s 1.2.3.4 -j DROP": "Bad rule",
    "iptables -R FORWARD 1 -s 1.2.3.4,5.6.7.8 -j DROP": "unique address",
    "iptables -t nat -P KUBE-SERVICES DROP": "built in",
    "ip6tables-legacy -A FORWARD -j DROP": "was not captured",
    "nft add rule inet nothing forward drop": "no table",
    "nft add rule inet firewall nothing drop": "no chain",
    "nft delete rule inet firewall forward handle 99": "handle 99",
    "nft delete element inet firewall strangers { 10.0.0.1 }": "not in strangers",
    "nft delete chain inet firewall forward": "has rules",
    "nft flush ruleset": "by their names",
    "nft list ruleset": "not understood",
    "conntrack -D -s 10.9.9.9": "0 flow entries",
    "tc qdisc del dev eth0 clsact": "no such qdisc",
    "bridge link set dev eth0 hairpin on": "no port",
    "bridge link set dev veth10000001 hairpin maybe": "hairpin maybe",
    "ip route show | tee x": "shell",
    "iptables -A FORWARD -s $(hostname) -j DROP": "shell",
    "arp -s 10.0.0.1 00:00:00:00:00:01": "DEVICE",
    "route add 10.0.0.0": "needs a way",
}


@pytest.mark.parametrize("command", REFUSED)
def test_what_is_refused_says_why(capture: Capture, command: str) -> None:
    with pytest.raises(EditError) as problem:
        after(capture, command)
    assert REFUSED[command] in str(problem.value)


def test_commands_are_words_between_marks() -> None:
    text = "sudo ip link set a up; iptables -A X -m comment --comment 'a; b' -j DROP 2>/dev/null && nft add chain t c { type x \\; }\n\nip r"
    assert commands(text) == [
        ["ip", "link", "set", "a", "up"],
        ["iptables", "-A", "X", "-m", "comment", "--comment", "a; b", "-j", "DROP"],
        ["nft", "add", "chain", "t", "c", "{", "type", "x", ";", "}"],
        ["ip", "r"],
    ]
