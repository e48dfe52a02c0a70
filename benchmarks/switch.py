"""A node whose ``br-int`` has as many flows as are asked for: ports, an access list, a forwarding table, conntrack."""

from __future__ import annotations

from pathlib import Path

LOOPBACK = """1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0
    inet 127.0.0.1/8 scope host lo
"""
INTERNAL = """3: br-int: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN group default
    link/ether 0a:00:00:00:02:00 brd ff:ff:ff:ff:ff:ff promiscuity 0
    openvswitch
"""
HEAD = "a0b1c2d3-0000-4000-8000-000000000001\n    Bridge br-int\n        fail_mode: secure\n        Port br-int\n            Interface br-int\n                type: internal\n"
PODS = 3
EMPTY = {
    "iptables-save": "# no tables\n",
    "iptables-legacy-save": "# no legacy tables\n",
    "nft_list_ruleset": "",
    "ip_rule": "0: from all lookup local\n32766: from all lookup main\n32767: from all lookup default\n",
    "ip_neigh": "",
    "tc_filter": "# no filters\n",
    "sysctl_net": "net.ipv4.ip_forward = 0\nnet.ipv4.conf.all.rp_filter = 0\n",
}


def switch(folder: Path, flows: int) -> None:
    """Writes the capture below the folder."""
    node = folder / "nodes" / "n1"
    links, ports, numbers = LOOPBACK + INTERNAL, HEAD, ""
    for n in range(1, PODS + 1):
        inside = node / "netns" / f"default_pod{n}"
        inside.mkdir(parents=True, exist_ok=True)
        own = f"2: eth0@if{10 + n}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default\n"
        own += f"    link/ether 0a:00:00:00:00:0{n} brd ff:ff:ff:ff:ff:ff link-netnsid 0 promiscuity 0\n    veth\n    inet 10.0.0.{n}/24 scope global eth0\n"
        (inside / "ip_-d_addr").write_text(LOOPBACK + own)
        routes = f"10.0.0.0/24 dev eth0 proto kernel scope link\nlocal 10.0.0.{n} dev eth0 table local proto kernel scope host\n"
        (inside / "ip_route_show_table_all").write_text(routes)
        bare(inside)
        links += f"{10 + n}: veth{n}@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master ovs-system state UP group default\n"
        links += f"    link/ether 0a:00:00:00:01:0{n} brd ff:ff:ff:ff:ff:ff link-netns default_pod{n} promiscuity 1\n    veth\n    openvswitch_slave\n"
        ports += f"        Port veth{n}\n            Interface veth{n}\n"
        numbers += f" {n}(veth{n}): addr:0a:00:00:00:01:0{n}\n"
    bare(node)
    (node / "ip_-d_addr").write_text(links)
    (node / "ovs-vsctl_show").write_text(ports)
    (node / "ovs-ofctl_show_br-int").write_text(numbers + " LOCAL(br-int): addr:0a:00:00:00:02:00\n")
    (node / "ovs-ofctl_dump-flows_br-int").write_text("".join(f"{line}\n" for line in lines(flows)))


def bare(folder: Path) -> None:
    """What a namespace without rules of any kind has."""
    for name, text in EMPTY.items():
        (folder / name).write_text(text)


def lines(flows: int) -> list[str]:
    """The flows: half an access list, half a forwarding table."""
    told = " cookie=0x0, duration=1.1s, {}, n_packets=0, n_bytes=0, idle_age=5, {}"
    found = [
        told.format(
            "table=0", f"priority=100,in_port={n} actions=load:{n}->NXM_NX_REG14[],load:3->OXM_OF_METADATA[],resubmit(,8)"
        )
        for n in range(1, PODS + 1)
    ]
    found.append(told.format("table=8", "priority=50,arp,metadata=0x3 actions=NORMAL"))
    found.append(told.format("table=8", "priority=1,metadata=0x3 actions=ct(table=9,zone=NXM_NX_REG14[0..15])"))
    for n in range(flows // 2):
        datapath, high, middle, low = n % 50 + 4, n >> 16 & 255, n >> 8 & 255, n & 255
        match = f"ct_state=+new+trk,tcp,metadata={datapath:#x},nw_src=10.{high}.{middle}.{low},tp_dst={n % 1000 + 1}"
        found.append(told.format("table=9", f"priority=2001,{match} actions=load:0x1->NXM_NX_XXREG0[97],resubmit(,10)"))
        match = f"metadata={datapath:#x},dl_dst=0a:58:{high:02x}:{middle:02x}:{low:02x}:01"
        found.append(told.format("table=10", f"priority=50,{match} actions=load:{n & 0xFFFF:#x}->NXM_NX_REG15[],resubmit(,11)"))
    found.append(told.format("table=9", "priority=1 actions=resubmit(,10)"))
    found.append(told.format("table=10", "priority=1,ip actions=ct(commit,zone=NXM_NX_REG14[0..15]),NORMAL"))
    return found
