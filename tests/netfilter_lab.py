"""Three network namespaces in a row, client - router - server, and raw packets across them: what the kernel does with a ruleset on the router.

Everything is sent and received by raw sockets of this process that live in the three namespaces, so a probe costs no process.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

CLONE_NEWNET = 0x40000000
PORTS = (53, 80, 443, 8080)
CLIENT, ROUTER, SERVER = "client", "router", "server"
ADDRESSES = {
    4: {CLIENT: ("10.77.1.2",), SERVER: ("10.77.2.2", "10.77.2.3"), "near": ("10.77.1.1",), "far": ("10.77.2.1", "10.77.2.9")},
    6: {CLIENT: ("fd77:1::2",), SERVER: ("fd77:2::2", "fd77:2::3"), "near": ("fd77:1::1",), "far": ("fd77:2::1", "fd77:2::9")},
}
SET_KINDS = (
    "hash:ip", "hash:net", "hash:ip,port", "hash:ip,port,ip", "hash:ip,port,net", "hash:net,port", "hash:net,net", "hash:net,iface",
    "bitmap:port", "list:set",
)  # fmt: skip
LENGTHS = {4: 24, 6: 64}
SPARE = ("10.77.2.9", "fd77:2::9")
"""Addresses of the router that stand on ``lo``, so that each device has one."""
TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
ECHO = {4: (socket.IPPROTO_ICMP, 8, 0), 6: (socket.IPPROTO_ICMPV6, 128, 129)}


def run(*command: str, text: str | None = None) -> str:
    """Runs a command; its failure is the test's."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr}\n{text or ''}")
    return done.stdout


def can_run() -> str:
    """Why the lab cannot run here; empty when it can."""
    if os.geteuid() != 0:
        return "not root"
    for command in ("ip", "iptables-nft-restore", "iptables-legacy-restore", "ipset"):
        if subprocess.run(["which", command], capture_output=True, check=False).returncode:
            return f"{command} is not installed"
    name = f"nfk-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return "network namespaces cannot be made" if made else ""


def creates(kind: str) -> bool:
    """Whether the kernel has a type of IP set."""
    extra = ("range", "0-9") if kind == "bitmap:port" else ()
    made = subprocess.run(["ipset", "create", "probe", kind, *extra], capture_output=True, check=False).returncode == 0
    subprocess.run(["ipset", "destroy", "probe"], capture_output=True, check=False)
    return made


@dataclass(frozen=True)
class Probe:
    """A packet to send from the client or the router. ``number`` tells it from the others."""

    number: int
    origin: str
    family: int
    protocol: int
    source: str
    destination: str
    source_port: int
    destination_port: int
    ttl: int = 64


@dataclass
class Seen:
    """What became of a probe: where it arrived, with which addresses and ports, and where its answer came from."""

    place: str | None = None
    source: str = ""
    source_port: int = 0
    destination: str = ""
    destination_port: int = 0
    reply: tuple[str, int] | None = None


def checksum(data: bytes) -> int:
    """The Internet checksum."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def transport(probe: Probe) -> bytes:
    """The probe's transport header, with its number where the answer repeats it."""
    source, destination = ip_address(probe.source).packed, ip_address(probe.destination).packed
    ports = struct.pack("!HH", probe.source_port, probe.destination_port)
    kind, request, _ = ECHO[probe.family]
    if probe.protocol == TCP:
        body, position = ports + struct.pack("!IIBBHHH", probe.number, 0, 0x50, 2, 1024, 0, 0), 16
    elif probe.protocol == UDP:
        body, position = ports + struct.pack("!HHI", 12, 0, probe.number), 6
    else:
        body, position = struct.pack("!BBHHHI", request, 0, 0, probe.source_port, 1, probe.number), 2
    pseudo = source + destination + struct.pack("!IHBB", len(body), 0, 0, probe.protocol)
    if probe.family == 4:
        pseudo = source + destination + struct.pack("!BBH", 0, probe.protocol, len(body))
    summed = checksum(body if probe.protocol == kind and probe.family == 4 else pseudo + body)
    return body[:position] + struct.pack("!H", summed) + body[position + 2 :]


def packet(probe: Probe) -> bytes:
    """The whole packet."""
    body = transport(probe)
    source, destination = ip_address(probe.source).packed, ip_address(probe.destination).packed
    if probe.family == 6:
        return struct.pack("!IHBB", 6 << 28, len(body), probe.protocol, probe.ttl) + source + destination + body
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, probe.ttl, probe.protocol, 0) + source + destination + body


@dataclass
class Lab:
    """The namespaces and their sockets."""

    prefix: str
    home: int
    handles: dict[str, int] = field(default_factory=dict)
    raw: dict[tuple[str, int, int], socket.socket] = field(default_factory=dict)
    listeners: list[socket.socket] = field(default_factory=list)
    set_kinds: frozenset[str] = frozenset()

    def name(self, place: str) -> str:
        return f"{self.prefix}-{place}"

    @contextmanager
    def inside(self, place: str) -> Iterator[None]:
        """This thread is in the namespace meanwhile."""
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.setns(self.handles[place], CLONE_NEWNET) == 0
        try:
            yield
        finally:
            assert libc.setns(self.home, CLONE_NEWNET) == 0

    def build(self) -> None:
        """Namespaces, veth pairs, addresses, routes, sockets."""
        for place in (CLIENT, ROUTER, SERVER):
            run("ip", "netns", "add", self.name(place))
            self.handles[place] = os.open(f"/run/netns/{self.name(place)}", os.O_RDONLY)
        for device, place, peers in (("near", CLIENT, "eth0"), ("far", SERVER, "eth0")):
            run("ip", "link", "add", device, "netns", self.name(ROUTER), "type", "veth", "peer", "name", peers, "netns", self.name(place))  # fmt: skip
        for place in (CLIENT, ROUTER, SERVER):
            self.configure(place)
        self.pin_neighbours()
        for place in (CLIENT, ROUTER, SERVER):
            with self.inside(place):
                self.open_sockets(place)
        with self.inside(ROUTER):
            self.set_kinds = frozenset(kind for kind in SET_KINDS if creates(kind))

    def configure(self, place: str) -> None:
        """Addresses, switches and routes of one namespace."""
        devices = {CLIENT: {"eth0": CLIENT}, SERVER: {"eth0": SERVER}, ROUTER: {"near": "near", "far": "far"}}[place]
        lines = ["link set lo up"]
        for device, key in devices.items():
            lines.append(f"link set {device} up")
            for family in (4, 6):
                nodad = " nodad" if family == 6 else ""
                lines += [
                    f"addr add {host}/{LENGTHS[family]} dev {device}{nodad}"
                    for host in ADDRESSES[family][key]
                    if host not in SPARE
                ]
        if place == ROUTER:
            lines += [f"addr add {host} dev lo" for host in SPARE]
        else:
            side = "near" if place == CLIENT else "far"
            lines += [f"{'-6 ' if family == 6 else ''}route add default via {ADDRESSES[family][side][0]}" for family in (4, 6)]
        with self.inside(place):
            for device in devices:
                self.switch(f"net/ipv6/conf/{device}/accept_dad", "0")
            for line in lines:
                run("ip", *line.split())
            for key in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
                self.switch(key, "1")
            for device in ("all", "default", *devices):
                self.switch(f"net/ipv4/conf/{device}/rp_filter", "0")

    def pin_neighbours(self) -> None:
        """Permanent entries, since a ruleset of IPv6 drops neighbour discovery too."""
        ends = {(CLIENT, "eth0"): (ROUTER, "near"), (SERVER, "eth0"): (ROUTER, "far")}
        for here, there in (*ends.items(), *((there, here) for here, there in ends.items())):
            with self.inside(there[0]):
                mac = run("ip", "-o", "link", "show", there[1]).partition("link/ether ")[2].split()[0]
            key = there[0] if there[0] != ROUTER else there[1]
            with self.inside(here[0]):
                for host in ADDRESSES[6][key]:
                    run("ip", "neigh", "replace", host, "lladdr", mac, "dev", here[1], "nud", "permanent")

    @staticmethod
    def switch(key: str, value: str) -> None:
        """Sets a kernel switch of the current namespace."""
        with open(f"/proc/sys/{key}", "w") as file:
            file.write(value)

    def open_sockets(self, place: str) -> None:
        """Raw sockets that see what is delivered, and sockets that keep the kernel from refusing."""
        for family, af in ((4, socket.AF_INET), (6, socket.AF_INET6)):
            for protocol in (TCP, UDP, ECHO[family][0]):
                sock = socket.socket(af, socket.SOCK_RAW, protocol)
                sock.setblocking(False)
                if family == 6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                self.raw[place, family, protocol] = sock
            self.raw[place, family, socket.IPPROTO_RAW] = socket.socket(af, socket.SOCK_RAW, socket.IPPROTO_RAW)
        for port in PORTS if place != CLIENT else ():
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                sock = socket.socket(socket.AF_INET6, kind)
                sock.bind(("::", port))
                if kind == socket.SOCK_STREAM:
                    sock.listen(1024)
                self.listeners.append(sock)

    def send(self, place: str, family: int, data: bytes, destination: str) -> None:
        """Sends a packet with its header; a refusal by the OUTPUT hook is the packet's loss."""
        target = (destination, 0) if family == 4 else (destination, 0, 0, 0)
        with suppress(PermissionError):
            self.raw[place, family, socket.IPPROTO_RAW].sendto(data, target)

    def probe(self, probes: list[Probe], quiet: float = 0.04) -> dict[int, Seen]:
        """Sends all probes and watches until nothing arrived for ``quiet`` seconds."""
        for sock in self.raw.values():
            drain(sock)
        seen = {probe.number: Seen() for probe in probes}
        by_number = {probe.number: probe for probe in probes}
        for probe in probes:
            self.send(probe.origin, probe.family, packet(probe), probe.destination)
        places = {sock: key for key, sock in self.raw.items() if key[2] != socket.IPPROTO_RAW}
        end = time.monotonic() + 2
        while time.monotonic() < end and (ready := select.select(list(places), [], [], quiet)[0]):
            for sock in ready:
                place, family, protocol = places[sock]
                self.receive(sock, place, family, protocol, by_number, seen)
        return seen

    def receive(
        self, sock: socket.socket, place: str, family: int, protocol: int, probes: dict[int, Probe], seen: dict[int, Seen]
    ) -> None:
        """Notes one packet that was delivered, and answers UDP."""
        data, ancillary, _, sender = sock.recvmsg(2048, 256)
        source = sender[0].partition("%")[0]
        if family == 4:
            destination, data = str(ip_address(data[16:20])), data[(data[0] & 15) * 4 :]
        else:
            destination = str(ip_address(next(item[2][:16] for item in ancillary if item[1] == socket.IPV6_PKTINFO)))
        number, reply, ports = read(data, family, protocol)
        if number not in probes:
            return
        found = seen[number]
        if not reply and place != probes[number].origin:
            found.place, found.source, found.destination = place, source, destination
            found.source_port, found.destination_port = ports
            if protocol == UDP:
                back = Probe(number | 1 << 31, place, family, UDP, destination, source, ports[1], ports[0])
                self.send(place, family, packet(back), source)
        elif reply and place == probes[number].origin:
            found.reply = (source, ports[0])

    def close(self) -> None:
        """Removes everything."""
        for sock in (*self.raw.values(), *self.listeners):
            sock.close()
        for handle in self.handles.values():
            os.close(handle)
        for place in (CLIENT, ROUTER, SERVER):
            subprocess.run(["ip", "netns", "del", self.name(place)], capture_output=True, check=False)


def drain(sock: socket.socket) -> None:
    """Forgets what waits in a socket."""
    sock.setblocking(False)
    try:
        while sock.recv(2048):
            pass
    except BlockingIOError:
        pass


def read(data: bytes, family: int, protocol: int) -> tuple[int, bool, tuple[int, int]]:
    """A probe's number, whether this is its answer, and the ports (identifier and 0 for ICMP)."""
    if len(data) < 12:
        return -1, False, (0, 0)
    if protocol == TCP:
        first, second, sequence, acknowledged, _, flags = struct.unpack("!HHIIBB", data[:14])
        if flags & 0x12 == 0x12:
            return acknowledged - 1, True, (first, second)
        return (sequence if flags == 2 else -1), False, (first, second)
    if protocol == UDP:
        first, second, _, _, number = struct.unpack("!HHHHI", data[:12])
        return number & 0x7FFFFFFF, bool(number >> 31), (first, second)
    kind, _, _, identifier, _, number = struct.unpack("!BBHHHI", data[:12])
    _, request, answer = ECHO[family]
    return (number if kind in (request, answer) else -1), kind == answer, (identifier, 0)


@contextmanager
def lab() -> Iterator[Lab]:
    """The lab, while it stands."""
    made = Lab(f"nfk-{os.getpid()}", os.open("/proc/thread-self/ns/net", os.O_RDONLY))
    try:
        made.build()
        yield made
    finally:
        made.close()
        os.close(made.home)
