"""Names that iptables prints instead of numbers: flags, services, ICMP types, protocols."""

from __future__ import annotations

from analyzer.ranges import Ranges, normalised

FLAG_BITS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
SERVICES = {
    "ssh": 22,
    "domain": 53,
    "http": 80,
    "https": 443,
    "ntp": 123,
    "bootps": 67,
    "bootpc": 68,
    "smtp": 25,
    "ftp": 21,
    "telnet": 23,
    "mdns": 5353,
    "snmp": 161,
    "imap": 143,
    "ldap": 389,
    "mysql": 3306,
    "postgresql": 5432,
    "ipsec-nat-t": 4500,
    "isakmp": 500,
    "dhcpv6-client": 546,
    "dhcpv6-server": 547,
    "netbios-ns": 137,
    "netbios-dgm": 138,
    "netbios-ssn": 139,
    "microsoft-ds": 445,
    "pop3": 110,
    "imaps": 993,
    "pop3s": 995,
    "nfs": 2049,
    "sunrpc": 111,
    "tftp": 69,
    "syslog": 514,
    "http-alt": 8080,
    "webcache": 8080,
    "auth": 113,
    "ipp": 631,
    "bgp": 179,
}
ICMP_TYPES = {
    "any": 255,
    "echo-reply": 0,
    "pong": 0,
    "destination-unreachable": 3,
    "source-quench": 4,
    "redirect": 5,
    "echo-request": 8,
    "ping": 8,
    "router-advertisement": 9,
    "router-solicitation": 10,
    "time-exceeded": 11,
    "ttl-exceeded": 11,
    "parameter-problem": 12,
    "timestamp-request": 13,
    "timestamp-reply": 14,
    "address-mask-request": 17,
    "address-mask-reply": 18,
}
ICMP_CODES = {
    "network-unreachable": (3, 0),
    "host-unreachable": (3, 1),
    "protocol-unreachable": (3, 2),
    "port-unreachable": (3, 3),
    "fragmentation-needed": (3, 4),
    "host-prohibited": (3, 10),
}
ICMPV6_TYPES = {
    "destination-unreachable": 1,
    "packet-too-big": 2,
    "time-exceeded": 3,
    "ttl-exceeded": 3,
    "parameter-problem": 4,
    "echo-request": 128,
    "ping": 128,
    "echo-reply": 129,
    "pong": 129,
    "router-solicitation": 133,
    "router-advertisement": 134,
    "neighbour-solicitation": 135,
    "neighbor-solicitation": 135,
    "neighbour-advertisement": 136,
    "neighbor-advertisement": 136,
    "redirect": 137,
}
PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "ipencap": 4,
    "ipv4": 4,
    "ip-encap": 4,
    "tcp": 6,
    "udp": 17,
    "dccp": 33,
    "ipv6": 41,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "ipv6-icmp": 58,
    "ospf": 89,
    "ipip": 4,
    "vrrp": 112,
    "sctp": 132,
    "udplite": 136,
    "mh": 135,
    "ipv6-mh": 135,
    "pim": 103,
    "all": 0,
    "l2tp": 115,
}


def number(text: str) -> int:
    """A number in any base that C reads."""
    return int(text, 8) if len(text) > 1 and text[0] == "0" and text.isdecimal() else int(text, 0)


def port(text: str) -> int:
    """A port's number, or a well-known name of ``/etc/services``."""
    value = int(text) if text.isdecimal() else SERVICES.get(text)
    if value is None:
        raise ValueError(f"{text!r} is no port, and no name of a service that is known")
    if value > 65535:
        raise ValueError(f"{text} is no port")
    return value


def port_range(text: str) -> tuple[int, int]:
    """``80``, ``80:90``, ``:90``, ``80:``."""
    low, colon, high = text.partition(":")
    return (port(low) if low else 0, (port(high) if high else 65535) if colon else port(low))


def ports_of(text: str) -> Ranges:
    """``80,443,8000:8080``."""
    return normalised(port_range(part) for part in text.split(","))
