"""``nft list ruleset`` as kube-proxy's nftables mode leaves it on a node (pkg/proxy/nftables/proxier.go), of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

MAP = "ipv4_addr . inet_proto . inet_service : verdict"
PORT_MAP = "inet_proto . inet_service : verdict"
FIXED = """\
	chain cluster-ips-check {
		ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
		ip daddr 10.96.0.0/12 drop comment "Drop traffic to unallocated ClusterIPs"
	}

	chain filter-forward {
		type filter hook forward priority -110; policy accept;
		ct state new jump service-endpoints-check
		ct state new jump cluster-ips-check
	}

	chain filter-input {
		type filter hook input priority -110; policy accept;
		ct state new jump nodeport-endpoints-check
		ct state new jump service-endpoints-check
	}

	chain filter-output {
		type filter hook output priority -110; policy accept;
		ct state new jump service-endpoints-check
		ct state new jump firewall-check
	}

	chain filter-output-post-dnat {
		type filter hook output priority -90; policy accept;
		ct state new jump cluster-ips-check
	}

	chain filter-prerouting {
		type filter hook prerouting priority dstnat - 10; policy accept;
		ct state new jump firewall-check
	}

	chain firewall-check {
		ip daddr . meta l4proto . th dport vmap @firewall-ips
	}

	chain mark-for-masquerade {
		meta mark set meta mark | 0x00004000
	}

	chain masquerading {
		meta mark & 0x00004000 == 0x00000000 return
		meta mark set meta mark ^ 0x00004000
		masquerade fully-random
	}

	chain nat-output {
		type nat hook output priority -100; policy accept;
		jump services
	}

	chain nat-postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		jump masquerading
	}

	chain nat-prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		jump services
	}

	chain nodeport-endpoints-check {
		ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
	}

	chain reject-chain {
		reject
	}

	chain service-endpoints-check {
		ip daddr . meta l4proto . th dport vmap @no-endpoint-services
	}

	chain services {
		ip daddr . meta l4proto . th dport vmap @service-ips
		ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
	}
}"""


def lines(
    services: int, endpoints: int, pods: str, node: str, own: Callable[[int], str], end: Callable[[int, int], str]
) -> Iterator[str]:
    """The text by lines: ``own`` is a service's address, ``end`` one of its endpoints'."""
    yield "table ip kube-proxy {"
    yield from block("set", "cluster-ips", "ipv4_addr", [own(one) for one in range(services)])
    yield from block("set", "nodeport-ips", "ipv4_addr", [node])
    for name, kind in (
        ("firewall-ips", MAP),
        ("no-endpoint-nodeports", PORT_MAP),
        ("no-endpoint-services", MAP),
        ("service-nodeports", PORT_MAP),
    ):
        yield from block("map", name, kind, [])
    rows = [f"{own(one)} . tcp . 80 : goto {service(one)}" for one in range(services)]
    yield from block("map", "service-ips", MAP, rows)
    for one in range(services):
        ends = [(endpoint(one, end(one, number)), end(one, number)) for number in range(endpoints)]
        yield f"\tchain {service(one)} {{"
        yield f"\t\tip daddr {own(one)} tcp dport 80 ip saddr != {pods} jump mark-for-masquerade"
        picks = ", ".join(f"{number} : goto {name}" for number, (name, _) in enumerate(ends))
        yield f"\t\tnumgen random mod {endpoints} vmap {{ {picks} }}"
        yield "\t}\n"
        for name, address in ends:
            yield f"\tchain {name} {{"
            yield f"\t\tip saddr {address} jump mark-for-masquerade"
            yield f"\t\tmeta l4proto tcp dnat to {address}:8080"
            yield "\t}\n"
    yield FIXED


def service(number: int) -> str:
    """A service's chain."""
    return f"service-{number:08X}-default/s{number}/tcp/http"


def endpoint(number: int, address: str) -> str:
    """An endpoint's chain."""
    return f"endpoint-{number:08X}-default/s{number}/tcp/http__{address}/8080"


def block(kind: str, name: str, types: str, found: list[str]) -> Iterator[str]:
    """A set or map."""
    yield f"\t{kind} {name} {{"
    yield f"\t\ttype {types}"
    if found:
        yield "\t\telements = { " + ",\n\t\t\t     ".join(found) + " }"
    yield "\t}\n"
