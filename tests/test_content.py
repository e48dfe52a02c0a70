"""What commands print is known by what stands in it, where no name says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.api import load
from analyzer.capture.decode import decode
from analyzer.capture.files import File
from analyzer.capture.recognise import by_content
from analyzer.source import Scope

SAMPLES = Path(__file__).parent.parent / "samples" / "parsers"
KINDS = (
    "ip-addr",
    "ip-route",
    "ip-route-get",
    "ip-rule",
    "ip-neigh",
    "bridge-fdb",
    "bridge-link",
    "ss",
    "route-n",
    "ifconfig",
    "nft",
    "ipset",
    "conntrack",
    "arptables-save",
    "ebtables-save",
    "iptables-save",
)
UNTOLD = {
    "ip-neigh/one-device.txt",
    "ip-route-get/ip_-d_route_show_cache.txt",
    "ip-neigh/unknown-words.txt",
    "ip-neigh/proxy.txt",
    "ipset/declares.txt",
    "conntrack/count.txt",
}
TEXTS = [
    path for kind in KINDS for path in sorted((SAMPLES / kind).iterdir())
    if path.suffix != ".facts" and f"{kind}/{path.name}" not in UNTOLD
]  # fmt: skip


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_content_says_what_it_is(path: Path) -> None:
    found = by_content(path.read_text())
    assert found is not None
    assert found.parser.kind == path.parent.name


def test_colours_of_a_terminal_are_no_text() -> None:
    text, gaps = decode(File("a", "a", b"\x1b]0;root@n1\x07\x1b[36m10.0.0.0/24\x1b[0m dev \x1b[1;32mcni0\x1b[m\r\n"))
    assert (text, gaps) == ("10.0.0.0/24 dev cni0\n", ())


@pytest.mark.parametrize(("name", "data", "text"), [
    ("ip_route", b"default\xc2\xa0via 10.0.0.1\r", "default via 10.0.0.1\n"),
    ("a.yaml", b"a:\xc2\xa01\r\n", "a:\xa01\n"),
])  # fmt: skip
def test_space_of_pages_and_of_other_systems_is_plain_but_in_objects(name: str, data: bytes, text: str) -> None:
    assert decode(File(name, name, data)) == (text, ())


SESSION = """\
[root@node-a ~]# ip neigh show dev flannel.1
10.244.1.0 lladdr d6:02:4c:11:22:33 PERMANENT
[root@node-a ~]# ip route show dev cni0
10.244.0.0/24 proto kernel scope link src 10.244.0.1
[root@node-a ~]# ip addr show dev flannel.1
7: flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN group default
    link/ether 06:aa:4c:11:22:33 brd ff:ff:ff:ff:ff:ff
    inet 10.244.0.0/32 scope global flannel.1
"""


def test_what_is_listed_of_one_device_is_not_all(tmp_path: Path) -> None:
    (tmp_path / "session.txt").write_text(SESSION)
    network = load(tmp_path).given.network
    space = network.namespaces[Scope("node-a")]
    assert [(str(entry.address), entry.device) for entry in space.neighbours] == [("10.244.1.0", "flannel.1")]
    assert {"ip-addr", "ip-route/4", "ip-route/6"} <= set(space.missing)
