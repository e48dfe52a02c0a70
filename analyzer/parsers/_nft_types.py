"""Constants of nft by their data type, as numbers (nft(8), DATA TYPES; ``nft describe``)."""

from __future__ import annotations

from collections.abc import Mapping

from analyzer.addresses import address, hardware_address, prefix
from analyzer.facts.nftables import Bitwise, Ct, Fib, Meta, Payload, Pick, Raw, Selector, Value

WIDTHS: Mapping[str, int] = {
    "ipv4_addr": 32, "ipv6_addr": 128, "ether_addr": 48, "inet_service": 16, "inet_proto": 8, "mark": 32, "integer": 32, "ct_state": 32, "arp_op": 16,
    "ct_status": 32, "ct_dir": 8, "nf_proto": 8, "ether_type": 16, "pkt_type": 8, "fib_addrtype": 32, "icmp_type": 8, "icmpv6_type": 8,
    "icmp_code": 8, "icmpv6_code": 8, "tcp_flag": 8, "boolean": 1, "uid": 32, "ttl": 8, "number": 8, "dscp": 6, "ecn": 2, "devgroup": 32, "iface_type": 16,
}  # fmt: skip
NAMES: Mapping[str, Mapping[str, int]] = {
    "inet_proto": {
        "ip": 0, "icmp": 1, "igmp": 2, "ipencap": 4, "ipip": 4, "ipv4": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51,
        "icmpv6": 58, "ipv6-icmp": 58, "ospf": 89, "vrrp": 112, "sctp": 132, "udplite": 136, "comp": 108, "ipcomp": 108, "pim": 103,
    },
    "ct_state": {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64},
    "ct_status": {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512},
    "ct_dir": {"original": 0, "reply": 1},
    "nf_proto": {"ipv4": 2, "ipv6": 10},
    "ether_type": {"ip": 0x800, "arp": 0x806, "ip6": 0x86DD, "8021q": 0x8100, "vlan": 0x8100, "8021ad": 0x88A8},
    "arp_op": {"request": 1, "reply": 2, "rrequest": 3, "rreply": 4, "inrequest": 8, "inreply": 9, "nak": 10},
    "pkt_type": {"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3},
    "fib_addrtype": {
        "unspec": 0, "unicast": 1, "local": 2, "broadcast": 3, "anycast": 4, "multicast": 5, "blackhole": 6, "unreachable": 7, "prohibit": 8,
    },
    "icmp_type": {
        "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8, "router-advertisement": 9,
        "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12, "timestamp-request": 13, "timestamp-reply": 14,
        "info-request": 15, "info-reply": 16, "address-mask-request": 17, "address-mask-reply": 18,
    },
    "icmpv6_type": {
        "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4, "echo-request": 128, "echo-reply": 129,
        "mld-listener-query": 130, "mld-listener-report": 131, "mld-listener-done": 132, "mld-listener-reduction": 132, "nd-router-solicit": 133,
        "nd-router-advert": 134, "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect": 137, "router-renumbering": 138,
        "ind-neighbor-solicit": 141, "ind-neighbor-advert": 142, "mld2-listener-report": 143,
    },
    "icmp_code": {"net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3, "frag-needed": 4,
                  "net-prohibited": 9, "host-prohibited": 10, "admin-prohibited": 13},
    "icmpv6_code": {"no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4, "policy-fail": 5, "reject-route": 6},
    "tcp_flag": {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128},
    "boolean": {"missing": 0, "exists": 1},
    "dscp": {
        **{f"cs{rank}": rank << 3 for rank in range(8)}, **{f"af{rank}{drop}": rank << 3 | drop << 1 for rank in range(1, 5) for drop in range(1, 4)},
        "be": 0, "df": 0, "lephb": 1, "va": 44, "ef": 46,
    },
    "devgroup": {"default": 0},
    "iface_type": {"ether": 1, "ppp": 512, "ipip": 768, "ipip6": 769, "loopback": 772, "sit": 776, "ipgre": 778},
    "ecn": {"not-ect": 0, "ect1": 1, "ect0": 2, "ce": 3},
    "inet_service": {
        "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "tacacs": 49, "domain": 53, "bootps": 67, "bootpc": 68, "tftp": 69, "http": 80,
        "kerberos": 88, "pop3": 110, "sunrpc": 111, "ntp": 123, "netbios-ns": 137, "netbios-dgm": 138, "netbios-ssn": 139, "imap2": 143, "snmp": 161,
        "snmp-trap": 162, "bgp": 179, "ldap": 389, "https": 443, "microsoft-ds": 445, "submissions": 465, "isakmp": 500, "syslog": 514, "printer": 515,
        "dhcpv6-client": 546, "dhcpv6-server": 547, "submission": 587, "ipp": 631, "ldaps": 636, "domain-s": 853, "rsync": 873, "imaps": 993, "pop3s": 995,
        "openvpn": 1194, "ms-sql-s": 1433, "radius": 1812, "nfs": 2049, "mysql": 3306, "ipsec-nat-t": 4500, "sip": 5060, "mdns": 5353, "postgresql": 5432,
        "amqp": 5672, "redis": 6379, "http-alt": 8080, "zabbix-agent": 10050,
    },
}  # fmt: skip
INVALID = " [invalid type]"
"""What nft 1.0 adds to constants of which it does not know the byte order, in both forms."""
BITMASKS = frozenset({"ct_state", "ct_status", "tcp_flag"})
DEVICES = frozenset({"ifname", "iface_index"})
PORTS = {"sport": "inet_service", "dport": "inet_service"}
FIELDS: Mapping[str, Mapping[str, str]] = {
    "ip": {"saddr": "ipv4_addr", "daddr": "ipv4_addr", "protocol": "inet_proto", "ttl": "ttl", "length": "integer", "frag-off": "integer", "version": "number",
           "dscp": "dscp", "ecn": "ecn"},
    "ip6": {"saddr": "ipv6_addr", "daddr": "ipv6_addr", "nexthdr": "inet_proto", "hoplimit": "ttl", "length": "integer", "version": "number", "dscp": "dscp",
            "ecn": "ecn"},
    "tcp": {**PORTS, "flags": "tcp_flag"},
    "udp": PORTS, "udplite": PORTS, "sctp": PORTS, "dccp": PORTS, "th": PORTS,
    "icmp": {"type": "icmp_type", "code": "icmp_code"},
    "icmpv6": {"type": "icmpv6_type", "code": "icmpv6_code"},
    "ether": {"saddr": "ether_addr", "daddr": "ether_addr", "type": "ether_type"},
    "arp": {
        "htype": "integer", "ptype": "ether_type", "hlen": "number", "plen": "number", "operation": "arp_op", "saddr ip": "ipv4_addr",
        "daddr ip": "ipv4_addr", "saddr ether": "ether_addr", "daddr ether": "ether_addr",
    },
}  # fmt: skip
META: Mapping[str, str] = {
    "mark": "mark", "iif": "iface_index", "oif": "iface_index", "iifname": "ifname", "oifname": "ifname", "l4proto": "inet_proto",
    "nfproto": "nf_proto", "protocol": "ether_type", "pkttype": "pkt_type", "length": "integer", "skuid": "uid", "skgid": "uid",
    "iifgroup": "devgroup", "oifgroup": "devgroup", "iiftype": "iface_type", "oiftype": "iface_type", "ipsec": "boolean",
}  # fmt: skip
CT: Mapping[str, str] = {
    "state": "ct_state", "status": "ct_status", "mark": "mark", "direction": "ct_dir", "l3proto": "nf_proto", "protocol": "inet_proto",
    "ip saddr": "ipv4_addr", "ip daddr": "ipv4_addr", "ip6 saddr": "ipv6_addr", "ip6 daddr": "ipv6_addr", "proto-src": "inet_service",
    "proto-dst": "inet_service", "zone": "integer",
}  # fmt: skip


def datatype(selector: Selector) -> str:
    """The type of an expression's value; KeyError where it is not modelled."""
    match selector:
        case Payload(protocol, name):
            return FIELDS[protocol][name]
        case Raw(_, _, length):
            return f"bits {length}"
        case Meta(key):
            return META[key]
        case Ct(key):
            return CT[key]
        case Fib(present=True):
            return "boolean"
        case Fib(result):
            return {"type": "fib_addrtype", "oif": "iface_index", "oifname": "ifname"}[result]
        case Pick():
            return "integer"
        case Bitwise(of):
            return datatype(of)
        case _:
            raise KeyError(str(selector))


def top(kind: str) -> int:
    """The largest value of a type."""
    name, _, bits = kind.partition(" ")
    return (1 << (int(bits) if name == "bits" else WIDTHS[kind])) - 1


def constant(kind: str, value: object) -> Value:
    """A constant as a range, or the name of an interface; ValueError or KeyError where it is not understood."""
    match value:
        case {"elem": {"val": inner}}:
            return constant(kind, inner)
        case {"prefix": {"addr": first, "len": length}}:
            return constant(kind, f"{first}/{length}")
        case {"range": [first, last]}:
            return number(kind, first), number(kind, last)
        case {"|": [*parts]} | list(parts):
            bits = 0
            for part in parts:
                bits |= flags(kind, part)
            return bits, bits
        case str() if kind in DEVICES:
            return value.strip('"')
        case str():
            return written(kind, value)
        case int() if kind not in DEVICES:
            return int(value), int(value)
        case _:
            raise ValueError(f"{value!r} is no {kind}")


def flags(kind: str, value: object) -> int:
    """Bits that are set together."""
    found = constant(kind, value)
    if isinstance(found, str):
        raise ValueError(f"{value!r} is no {kind}")
    return found[0]


def written(kind: str, text: str) -> Value:
    """A constant as nft writes it: a network, a range, or one value."""
    if kind in ("ipv4_addr", "ipv6_addr"):
        if "/" in text:
            network = prefix(text)
            return network.value, network.last
        if "-" not in text:
            single = address(text).value
            return single, single
    names = NAMES.get(kind, {})
    first, dash, last = text.partition("-")
    if dash and text not in names and text.strip('"') not in names:
        return number(kind, first), number(kind, last)
    found = number(kind, text)
    return found, found


def number(kind: str, value: object) -> int:
    """One value of a type."""
    if isinstance(value, int):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no {kind}")
    if kind in ("ipv4_addr", "ipv6_addr"):
        return address(value).value
    if kind == "ether_addr":
        return hardware_address(value)
    names = NAMES.get(kind)
    if names is not None and (known := names.get(value.strip('"').lower())) is not None:
        return known
    digits = value.removesuffix(INVALID)
    return int(digits) if digits.isdecimal() else int(digits, 0)
