"""Which of several devices takes a packet of IP in IP, SIT or GRE: a kernel (Linux 6.1) did what each row says."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.solve.packet import Fate
from tests.lowered import agree
from tests.test_tunnel_packets import both, six
from tests.test_walk import OPEN, build, node

OWN, FAR = "192.168.9.2", "192.168.9.1"
BOTH, REMOTE, LOCAL, NONE = (
    f"remote {FAR} local {OWN}",
    f"remote {FAR} local any",
    f"remote any local {OWN}",
    "remote any local any",
)
SENDER = f"remote {OWN} local {FAR}"
KEY = "ikey 0.0.0.5 okey 0.0.0.5"
ZERO = "ikey 0.0.0.0 okey 0.0.0.0"
CHECKED = "icsum ocsum"
COUNTED = "iseq oseq"

Row = tuple[str, str | None, tuple[str, ...]]

FOUR: tuple[Row, ...] = (
    ("ipip any " + SENDER, "b2", (f"b1 ipip any {BOTH}", f"b2 ipip any {LOCAL} dev eth0")),
    ("ipip any " + SENDER, "b1", (f"b1 ipip any {BOTH}", f"b2 ipip any {REMOTE}", f"tunl0 ipip any {NONE}")),
    ("ipip any " + SENDER, "b2", (f"-b1 ipip any {BOTH}", f"b2 ipip any {REMOTE}", f"tunl0 ipip any {NONE}")),
    (
        "ipip any " + SENDER,
        "b3",
        (f"-b1 ipip any {BOTH}", f"-b2 ipip any {REMOTE}", f"b3 ipip any {LOCAL}", f"tunl0 ipip any {NONE}"),
    ),
    ("ipip any " + SENDER, "b3", (f"b2 ipip any {LOCAL}", f"b3 ipip any {REMOTE}")),
    ("ipip any " + SENDER, "tunl0", (f"tunl0 ipip any {NONE}",)),
    ("ipip any " + SENDER, "b1", (f"b1 ipip any {BOTH} dev lo", f"tunl0 ipip any {NONE}")),
    ("ipip any " + SENDER, "b1", (f"b1 sit any {BOTH}", f"-tunl0 ipip any {NONE}")),
    ("ipip any " + SENDER, "tunl0", (f"b1 sit any {BOTH}", f"tunl0 ipip any {NONE}")),
    ("ipip any " + SENDER, None, (f"b1 sit ip6ip {BOTH}",)),
    ("ipip any " + SENDER, "b2", (f"b1 sit any {BOTH} dev lo", f"b2 sit any {REMOTE}")),
    ("ipip any " + SENDER, None, (f"sit0 sit any {NONE}", f"-b1 sit any {NONE} dev eth0")),
    (f"gre {SENDER} {KEY}", None, (f"b1 gre {BOTH}",)),
    (f"gre {SENDER} {KEY}", "gre0", (f"b1 gre {BOTH}", f"gre0 gre {NONE}")),
    (f"gre {SENDER} {KEY}", "b2", (f"b1 gre {BOTH} ikey 0.0.0.6 okey 0.0.0.6", f"b2 gre {NONE} {KEY}")),
    (f"gre {SENDER} {ZERO}", None, (f"b1 gre {BOTH}",)),
    (f"gre {SENDER}", None, (f"b1 gre {BOTH} {ZERO}",)),
    (f"gre {SENDER}", "b1", (f"b1 gre {NONE} {ZERO}",)),
    (f"gre {SENDER} {CHECKED}", None, (f"b1 gre {BOTH}",)),
    (f"gre {SENDER}", None, (f"b1 gre {BOTH} {CHECKED}",)),
    (f"gre {SENDER} {CHECKED}", None, (f"gre0 gre {NONE}",)),
    (f"gre {SENDER} {COUNTED}", "b1", (f"b1 gre {BOTH}",)),
    (f"gre {SENDER}", None, (f"b1 gre {BOTH} {COUNTED}",)),
    (f"gre remote any local {FAR}", None, (f"b1 gre {BOTH}",)),
    (f"gre {NONE} {KEY}", None, (f"b1 gre {BOTH} {KEY}",)),
    (f"gre remote {OWN} local any", "b1", (f"b1 gre {BOTH}",)),
)
SIX: tuple[Row, ...] = (
    (f"ip6tnl any {SENDER} encaplimit 4", "b1", (f"b1 ip6tnl any {BOTH}",)),
    (f"ip6tnl any {SENDER}", "b2", (f"b1 ip6tnl any {REMOTE}", f"b2 ip6tnl any {LOCAL}")),
    (f"ip6tnl any {SENDER}", None, (f"b1 ip6tnl ipip6 {BOTH}", f"ip6tnl0 ip6tnl ip6ip6 {NONE}")),
    (f"ip6tnl any {SENDER}", "ip6tnl0", (f"ip6tnl0 ip6tnl ip6ip6 {NONE}",)),
    (f"ip6tnl any remote {OWN} local any", None, (f"b1 ip6tnl any {BOTH}",)),
    (f"ip6tnl any remote {OWN} local 192.168.9.77", None, (f"ip6tnl0 ip6tnl ip6ip6 {NONE}",)),
    (f"ip6gre {SENDER}", "b1", (f"b1 ip6gre {BOTH}",)),
    (f"ip6gre {SENDER} {KEY}", "ip6gre0", (f"b1 ip6gre {BOTH}", f"ip6gre0 ip6gre {NONE}")),
    (f"ip6gre {SENDER} {ZERO}", "b1", (f"b1 ip6gre {BOTH}",)),
    (f"ip6gre {SENDER} {CHECKED}", None, (f"b1 ip6gre {BOTH}",)),
    (f"ip6gre {SENDER}", "b1", (f"b1 ip6gre {REMOTE}", f"b2 ip6gre {LOCAL}")),
    (f"ip6gre remote {OWN} local any", None, (f"b1 ip6gre {BOTH}",)),
)


def device(number: int, text: str) -> str:
    """A tunnel as ``ip -d addr`` prints it; one whose name has a minus before it is down."""
    name, _, kind = text.lstrip("-").partition(" ")
    flags = "NOARP" if text.startswith("-") else "NOARP,UP,LOWER_UP"
    below = kind.rpartition(" dev ")[2] if " dev " in kind else "NONE"
    head = f"{number}: {name}@{below}: <{flags}> mtu 1400 qdisc noqueue state UNKNOWN group default\n"
    return head + f"    link/none promiscuity 0\n    {kind}\n"


def network(row: Row, dropped: str, outside: int) -> tuple[dict[str, str], dict[str, str]]:
    """Two nodes: one sends to the other's pods by its tunnel, the other has some that may take that, and drops what comes out of one of them."""
    sender, _, receivers = row
    sends = node(1, "10.244.2.0/24 dev ta scope link\n", device(20, f"ta {sender}"))
    rules = OPEN.replace("COMMIT", f"-A FORWARD -i {dropped} -j DROP\n-A INPUT -i {dropped} -j DROP\nCOMMIT")
    takes = node(
        2,
        "10.244.1.0/24 via 192.168.9.1 dev eth0\n",
        "".join(device(30 + number, text) for number, text in enumerate(receivers)),
        iptables__save=rules,
    )
    return (six(sends), six(takes)) if outside == 6 else (sends, takes)


@pytest.mark.parametrize(("row", "family"), [*((row, 4) for row in FOUR), *((row, 6) for row in SIX)], ids=str)
def test_the_device_that_a_kernel_takes(row: Row, family: int, tmp_path: Path) -> None:
    names = [text.lstrip("-").partition(" ")[0] for text in row[2]]
    for number, dropped in enumerate(["nobody", *names]):
        found = build(tmp_path / str(number), *network(row, dropped, family))
        told, lowered = both(found, "default/p11", "default/p21", family)
        lost = row[1] is None or dropped == row[1]
        assert {end.fate for end in told} == {Fate.UNREACHABLE if lost else Fate.REACHABLE}, (dropped, told)
        assert agree(lowered, told), (dropped, lowered)
