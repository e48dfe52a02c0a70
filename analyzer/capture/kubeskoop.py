"""KubeSkoop's collector writes one JSON file for each node (``pkg/skoop/netstack``, ``pkg/skoop/collector/podcollector``): it is unpacked into the texts that commands would have printed.

Of each namespace it has interfaces, IPv4 routes of the tables that rules name, IPv4 rules, neighbours, forwarding entries, switches, ``iptables-save | iptables-xml``, IP sets,
virtual servers and sockets. Sets and virtual servers are objects, or, from other versions of the collector, what ``ipset list -o xml`` and ``ipvsadm-save -n`` printed. It has no hardware addresses of interfaces, no settings of tunnels, nothing of IPv6's routes, no ways of multipath routes and no negations of rules:
a route without a way stays a line that is not understood.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from analyzer.capture.files import File, refusal
from analyzer.capture.iptables_xml import saved
from analyzer.parsers import reason
from analyzer.source import Gap

HEAD = re.compile(rb'\s*\{\s*"p"\s*:\s*(\[|null)')
BROKEN = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
ROUTE_TYPES = {
    2: "local",
    3: "broadcast",
    4: "anycast",
    5: "multicast",
    6: "blackhole",
    7: "unreachable",
    8: "prohibit",
    9: "throw",
}
# Local and broadcast routes, which stay where a device is set down; any other of it is flushed (net/ipv4/fib_semantics.c, fib_sync_down_dev).
KEPT_WHEN_DOWN = (2, 3)
SCOPES = {200: "site", 253: "link", 254: "host", 255: "nowhere"}
PROTOCOLS = {1: "redirect", 2: "kernel", 3: "boot", 4: "static", 12: "bird", 16: "dhcp"}
TABLES = {255: "local", 254: "main", 253: "default"}
STATES = {
    0x01: "INCOMPLETE",
    0x02: "REACHABLE",
    0x04: "STALE",
    0x08: "DELAY",
    0x10: "PROBE",
    0x20: "FAILED",
    0x40: "NOARP",
    0x80: "PERMANENT",
}
IPV6 = re.compile(r"(?!(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$)[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*(?:/\d+)?$", re.IGNORECASE)
SELF, MASTER, PERMANENT = 0x02, 0x04, 0x80
Json = Mapping[str, Any]


def is_one(data: bytes) -> bool:
    """Whether a file is the collector's."""
    return HEAD.match(data) is not None and b'"n"' in data


def unpacked(file: File) -> Iterator[File | Gap]:
    """The texts of each namespace, at places of the capture layout. A part that is not as it should be is a gap, and the rest is still there."""
    try:
        spaces = [space for space in json.loads(file.data)["n"] if isinstance(space, dict)]
    except BROKEN as problem:
        yield refusal(file.path, f"a file of KubeSkoop's collector was expected: {reason(problem)}")
        return
    node = node_of(file)
    for space in spaces:
        folder = "" if space.get("n") == "/proc/1/ns/net" else f"netns/{str(space.get('k') or space.get('i')).replace('/', '_')}/"
        for name, write in TEXTS.items():
            path = f"{file.path}/{folder}{name}"
            try:
                text = write(space)
            except BROKEN as problem:
                yield refusal(path, f"this part of the collector's file is not as expected: {reason(problem)}")
                continue
            yield File(path, f"{file.place}/kubeskoop/nodes/{node}/{folder}{name}", text.encode())


def node_of(file: File) -> str:
    """The node: the file's name, or that of its folder where the file is called ``collector.json``."""
    *folders, name = file.place.split("/")
    stem = name.removesuffix(".json")
    return folders[-1] if stem in ("collector", "<stdin>", "stdin") and folders else stem


def network(value: Json | None) -> str:
    """A network of Go's JSON: the address, and the mask as bytes."""
    if not value:
        return ""
    mask = base64.b64decode(value["Mask"])
    return f"{value['IP']}/{int.from_bytes(mask, 'big').bit_count()}"


def interfaces(space: Json) -> str:
    """As ``ip -d addr`` prints them, without what the collector has not."""
    names = {one["i"]: one["n"] for one in space["if"]}
    routed = {item.get("o") for item in space.get("r") or () if item["t"] not in KEPT_WHEN_DOWN}
    lines = []
    for one in space["if"]:
        up = one["st"] == 1
        flags = "UP" if up else "NO-CARRIER,UP" if one["n"] in routed else ""
        peer = f"@if{one['p']}" if one.get("p") and one["d"] == "veth" else ""
        master = f" master {names.get(one['mi'], 'if' + str(one['mi']))}" if one.get("mi") else ""
        lines.append(
            f"{one['i']}: {one['n']}{peer}: <{flags}> mtu {one['m']}{master} state {'UP' if up else 'DOWN' if one['st'] == 2 else 'UNKNOWN'}"
        )
        lines += [f"    {one['d']}"] if one["d"] in ("veth", "bridge", "dummy") else []
        lines += [
            f"    {'inet6' if ':' in item['IP'] else 'inet'} {network(item)} scope global {one['n']}"
            for item in one.get("a") or ()
        ]
    return written(lines)


def routes(space: Json) -> str:
    """As ``ip route show table all`` prints them."""
    return written([route(one) for one in space.get("r") or ()])


def route(one: Json) -> str:
    """One route; one whose way is not there says so, and is no line that can be understood."""
    kind = ROUTE_TYPES.get(one["t"], "")
    words = [kind, "default" if network(one["d"]) == "0.0.0.0/0" else network(one["d"])]
    words += [f"via {one['g']}"] if one.get("g") else []
    words += [f"dev {one['o']}"] if one.get("o") else []
    words += ["(the collector has no ways of a multipath route)"] if not kind and not one.get("g") and not one.get("o") else []
    words += [f"table {TABLES.get(one['tb'], one['tb'])}"] if one["tb"] != 254 else []
    words += [f"proto {PROTOCOLS.get(one['p'], one['p'])}"]
    words += [f"scope {SCOPES[one['sc']]}"] if one["sc"] in SCOPES else []
    words += [f"src {one['s']}"] if one.get("s") else []
    words += [f"metric {one['pr']}"] if one.get("pr") else []
    words += ["onlink"] if one.get("fl", 0) & 4 else []
    return " ".join(word for word in words if word)


def rules(space: Json) -> str:
    """As ``ip rule`` prints them."""
    return written([rule(one) for one in space.get("ru") or ()])


def rule(one: Json) -> str:
    """One routing rule."""
    words = [f"{max(one['p'], 0)}:", f"from {network(one.get('s')) or 'all'}"]
    words += [f"to {network(one['d'])}"] if one.get("d") else []
    if one.get("m", -1) > 0:
        mask = one.get("ma", -1)
        words.append(f"fwmark {one['m']:#x}" + (f"/{mask:#x}" if mask not in (-1, 0, 0xFFFFFFFF) else ""))
    words += [f"iif {one['i']}"] if one.get("i") else []
    words += [f"oif {one['o']}"] if one.get("o") else []
    goto = one.get("gt", -1)
    return " ".join([*words, f"goto {goto}" if goto > 0 else f"lookup {TABLES.get(one['tb'], one['tb'])}"])


def hardware(value: str | None) -> str:
    """A hardware address; empty where there is none."""
    return ":".join(f"{byte:02x}" for byte in base64.b64decode(value or ""))


def neighbours(space: Json) -> str:
    """As ``ip neigh`` prints them."""
    lines = []
    for one in space["if"]:
        for item in one.get("ne") or ():
            mac = hardware(item.get("HardwareAddr"))
            state = next((name for bit, name in STATES.items() if item["State"] & bit), "NONE")
            lines.append(f"{item['IP']} dev {one['n']}{f' lladdr {mac}' if mac else ''} {state}")
    return written(lines)


def forwarding(space: Json) -> str:
    """As ``bridge fdb`` prints them."""
    lines = []
    for one in space["if"]:
        for item in one.get("f") or ():
            words = [hardware(item.get("HardwareAddr")), "dev", one["n"], *(("dst", item["IP"]) if item.get("IP") else ())]
            words += ["self"] * bool(item["Flags"] & SELF) + ["master"] * bool(item["Flags"] & MASTER)
            lines.append(" ".join([*words, *(["permanent"] if item["State"] & PERMANENT else [])]))
    return written(lines)


def switches(space: Json) -> str:
    """As ``sysctl -a`` prints them."""
    found = dict(space.get("s") or {})
    for one in space["if"]:
        found |= one.get("s") or {}
    return written([f"{key} = {value}" for key, value in sorted(found.items()) if str(key).startswith("net.")])


def sets(space: Json) -> str:
    """As ``ipset save`` prints them, or the XML that the collector has of them."""
    given = space.get("is") or ()
    if isinstance(given, str):
        return given
    lines = []
    for one in given:
        members = sorted(one.get("m") or {})
        family = " family inet6" if any(IPV6.match(part) for member in members for part in member.split(",")) else ""
        lines += [f"create {one['n']} {one['t']}{family}", *(f"add {one['n']} {member}" for member in members)]
    return written(lines)


def virtual_servers(space: Json) -> str:
    """As ``ipvsadm-save -n`` prints them."""
    given = space.get("vs") or {}
    if isinstance(given, list):
        return written([str(line) for line in given if line])
    lines = []
    for one in given.values():
        at = f"-{'u' if str(one['pro']).lower() == 'udp' else 't'} {one['ip']}:{one['p']}"
        lines.append(f"-A {at} -s {one['s']}")
        lines += [
            f"-a {at} -r {item['ip']}:{item['p']} {'-m' if item['m'] else '-g'} -w {item['w']}" for item in one.get("r") or ()
        ]
    return written(lines)


def sockets(space: Json) -> str:
    """As ``ss -tuln`` prints those that listen."""
    lines = []
    for one in space.get("c") or ():
        if one["st"] == 0:
            host = f"[{one['l']}]" if ":" in one["l"] else one["l"]
            state = "UNCONN" if one["p"] == "udp" else "LISTEN"
            lines.append(f"{one['p']} {state} 0 0 {host}:{one['lp']} {'[::]' if ':' in one['l'] else '0.0.0.0'}:*")
    return written(lines)


def written(lines: Sequence[str]) -> str:
    """The lines of a text."""
    return "".join(f"{line}\n" for line in lines)


TEXTS: Mapping[str, Callable[[Json], str]] = {
    "ip_-d_addr": interfaces,
    "ip_-4_route_show_table_all": routes,
    "ip_rule": rules,
    "ip_neigh": neighbours,
    "bridge_fdb": forwarding,
    "sysctl_net": switches,
    "iptables-save": lambda space: saved(str(space.get("it") or "")),
    "ipset_save": sets,
    "ipvsadm-save": virtual_servers,
    "ss_-tuln": sockets,
}
