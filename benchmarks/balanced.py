"""What kube-proxy's IPVS mode keeps on a node besides virtual servers (pkg/proxy/ipvs/{proxier,ipset}.go): its rules and IP sets; and such a node of any size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.capture import Shape, write

PODS = "10.244.0.0/16"
SETS = {
    "KUBE-CLUSTER-IP": "hash:ip,port family inet hashsize 1024 maxelem 65536",
    "KUBE-EXTERNAL-IP": "hash:ip,port family inet hashsize 1024 maxelem 65536",
    "KUBE-EXTERNAL-IP-LOCAL": "hash:ip,port family inet hashsize 1024 maxelem 65536",
    "KUBE-HEALTH-CHECK-NODE-PORT": "bitmap:port range 0-65535",
    "KUBE-IPVS-IPS": "hash:ip family inet hashsize 1024 maxelem 65536",
    "KUBE-LOAD-BALANCER": "hash:ip,port family inet hashsize 1024 maxelem 65536",
    "KUBE-LOAD-BALANCER-FW": "hash:ip,port family inet hashsize 1024 maxelem 65536",
    "KUBE-LOAD-BALANCER-LOCAL": "hash:ip,port family inet hashsize 1024 maxelem 65536",
    "KUBE-LOAD-BALANCER-SOURCE-CIDR": "hash:ip,port,net family inet hashsize 1024 maxelem 65536",
    "KUBE-LOAD-BALANCER-SOURCE-IP": "hash:ip,port,ip family inet hashsize 1024 maxelem 65536",
    "KUBE-LOOP-BACK": "hash:ip,port,ip family inet hashsize 1024 maxelem 65536",
    "KUBE-NODE-PORT-LOCAL-TCP": "bitmap:port range 0-65535",
    "KUBE-NODE-PORT-LOCAL-UDP": "bitmap:port range 0-65535",
    "KUBE-NODE-PORT-TCP": "bitmap:port range 0-65535",
    "KUBE-NODE-PORT-UDP": "bitmap:port range 0-65535",
}
NAT = f"""\
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-LOAD-BALANCER -m set --match-set KUBE-LOAD-BALANCER-LOCAL dst,dst -j RETURN
-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-NODE-PORT -p tcp -m set --match-set KUBE-NODE-PORT-LOCAL-TCP dst -j RETURN
-A KUBE-NODE-PORT -p tcp -m set --match-set KUBE-NODE-PORT-TCP dst -j KUBE-MARK-MASQ
-A KUBE-NODE-PORT -p udp -m set --match-set KUBE-NODE-PORT-LOCAL-UDP dst -j RETURN
-A KUBE-NODE-PORT -p udp -m set --match-set KUBE-NODE-PORT-UDP dst -j KUBE-MARK-MASQ
-A KUBE-POSTROUTING -m set --match-set KUBE-LOOP-BACK dst,dst,src -j MASQUERADE
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
-A KUBE-SERVICES -s 127.0.0.0/8 -j RETURN
-A KUBE-SERVICES -m set --match-set KUBE-LOAD-BALANCER dst,dst -j KUBE-LOAD-BALANCER
-A KUBE-SERVICES ! -s {PODS} -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m set --match-set KUBE-EXTERNAL-IP dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m set --match-set KUBE-EXTERNAL-IP dst,dst -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT
-A KUBE-SERVICES -m set --match-set KUBE-EXTERNAL-IP dst,dst -m addrtype --dst-type LOCAL -j ACCEPT
-A KUBE-SERVICES -m set --match-set KUBE-EXTERNAL-IP-LOCAL dst,dst -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT
-A KUBE-SERVICES -m set --match-set KUBE-EXTERNAL-IP-LOCAL dst,dst -m addrtype --dst-type LOCAL -j ACCEPT
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT
-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT
-A KUBE-SERVICES -m set --match-set KUBE-LOAD-BALANCER dst,dst -j ACCEPT
"""
FILTER = """\
-A INPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-FILTER
-A INPUT -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
-A INPUT -m comment --comment "kubernetes health check rules" -j KUBE-NODE-PORT
-A OUTPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER
-A FORWARD -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A KUBE-IPVS-FILTER -m set --match-set KUBE-LOAD-BALANCER dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set KUBE-CLUSTER-IP dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set KUBE-EXTERNAL-IP dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set KUBE-EXTERNAL-IP-LOCAL dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set KUBE-HEALTH-CHECK-NODE-PORT dst -j RETURN
-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set KUBE-IPVS-IPS dst -j REJECT --reject-with icmp-port-unreachable
-A KUBE-NODE-PORT -m set --match-set KUBE-HEALTH-CHECK-NODE-PORT dst -j ACCEPT
-A KUBE-PROXY-FIREWALL -m set --match-set KUBE-LOAD-BALANCER-FW dst,dst -j KUBE-SOURCE-RANGES-FIREWALL
-A KUBE-SOURCE-RANGES-FIREWALL -m set --match-set KUBE-LOAD-BALANCER-SOURCE-CIDR dst,dst,src -j RETURN
-A KUBE-SOURCE-RANGES-FIREWALL -m set --match-set KUBE-LOAD-BALANCER-SOURCE-IP dst,dst,src -j RETURN
-A KUBE-SOURCE-RANGES-FIREWALL -j DROP
"""
CHAINS = {
    "nat": ("KUBE-LOAD-BALANCER", "KUBE-MARK-MASQ", "KUBE-NODE-PORT", "KUBE-POSTROUTING", "KUBE-SERVICES"),
    "filter": (
        "KUBE-FORWARD",
        "KUBE-IPVS-FILTER",
        "KUBE-IPVS-OUT-FILTER",
        "KUBE-NODE-PORT",
        "KUBE-PROXY-FIREWALL",
        "KUBE-SOURCE-RANGES-FIREWALL",
    ),
}


def saved(members: Mapping[str, list[str]]) -> Iterator[str]:
    """The text of ``ipset save``."""
    for name, kind in SETS.items():
        yield f"create {name} {kind}\n"
        yield from (f"add {name} {member}\n" for member in members.get(name, ()))


def ruleset(text: str) -> str:
    """The ruleset with kube-proxy's rules of the IPVS mode in the place of all others of its own."""
    parts = []
    for table in text.split("COMMIT\n"):
        lines = [line for line in table.splitlines() if "KUBE-" not in line]
        name = next((line[1:] for line in lines if line.startswith("*")), "")
        if not name:
            continue
        heads = [line for line in lines if not line.startswith("-A")] + [f":{chain} - [0:0]" for chain in CHAINS.get(name, ())]
        own = {"nat": NAT, "filter": FILTER}.get(name, "").splitlines()
        parts += [*heads, *own, *(line for line in lines if line.startswith("-A")), "COMMIT"]
    return "\n".join(parts) + "\n"


def balanced(folder: Path, shape: Shape) -> None:
    """Writes the capture of one node whose proxy is in IPVS mode."""
    write(folder, shape)
    root = folder / "nodes" / "n0" if (folder / "nodes" / "n0").exists() else next(iter(sorted((folder / "nodes").iterdir())))
    own = [shape.service_address(number) for number in range(shape.services)]
    ends = [[shape.endpoint(number, one) for one in range(shape.endpoints)] for number in range(shape.services)]
    lines = []
    for address, found in zip(own, ends, strict=True):
        lines += [f"-A -t {address}:80 -s rr", *(f"-a -t {address}:80 -r {end}:8080 -m -w 1" for end in found)]
    (root / "ipvsadm-save").write_text("".join(f"{line}\n" for line in lines))
    members = {
        "KUBE-CLUSTER-IP": [f"{address},tcp:80" for address in own],
        "KUBE-IPVS-IPS": own,
        "KUBE-LOOP-BACK": sorted({f"{end},tcp:8080,{end}" for found in ends for end in found}),
    }
    (root / "ipset_save").write_text("".join(saved(members)))
    (root / "nft_list_ruleset").write_text("")
    rules = root / "iptables-save"
    rules.write_text(ruleset(rules.read_text()))
    with (root / "sysctl_net").open("a") as file:
        file.write("net.ipv4.vs.conntrack = 1\n")
    with (root / "ip_-d_addr").open("a") as file:
        file.write("900: kube-ipvs0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default\n")
        file.write(
            "    link/ether de:ad:be:ef:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 0 maxmtu 0\n    dummy numtxqueues 1 numrxqueues 1\n"
        )
        file.writelines(
            f"    inet {address}/32 scope global kube-ipvs0\n       valid_lft forever preferred_lft forever\n" for address in own
        )
    with (root / "ip_route_show_table_all").open("a") as file:
        file.writelines(f"local {address} dev kube-ipvs0 table local proto kernel scope host src {address}\n" for address in own)
