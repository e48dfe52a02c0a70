"""What sends probes in a namespace: TCP connections, UDP datagrams, ICMP echoes, all at once, each with its own deadline."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import struct
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.lab.server import Host

ECHO = {4: (8, 0), 6: (128, 129)}
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IPV6_MTU_DISCOVER = 10, 2, 23


class Batch:
    """Probes on their way. ``answers``: by the probe's token, what came back."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.selector = host.selector
        self.waiting: dict[str, socket.socket] = {}
        self.answers: dict[str, list[Any]] = {}

    def start(self, probe: dict[str, Any]) -> None:
        """Sends a probe; where the kernel refuses at once, that is its answer."""
        family = socket.AF_INET6 if ":" in probe["to"] else socket.AF_INET
        try:
            match probe["protocol"]:
                case "TCP":
                    self._tcp(family, probe)
                case "UDP":
                    self._udp(family, probe)
                case _:
                    self._icmp(family, probe)
        except OSError as error:
            self.finish(probe["token"], ["refused", error.strerror])

    def finish(self, token: str, answer: list[Any]) -> None:
        """Notes the answer of a probe and lets go of its socket."""
        self.answers.setdefault(token, answer)
        if (used := self.waiting.pop(token, None)) is not None:
            with contextlib.suppress(KeyError):
                self.selector.unregister(used)
            used.close()

    def _open(self, family: int, kind: int, protocol: int, probe: dict[str, Any]) -> socket.socket:
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        self.waiting[probe["token"]] = opened
        if kind != socket.SOCK_RAW:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((probe.get("bind", ""), probe["source_port"]))
        if "size" in probe:
            _dont_fragment(opened, family)
        return opened

    def _tcp(self, family: int, probe: dict[str, Any]) -> None:
        opened = self._open(family, socket.SOCK_STREAM, 0, probe)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(BlockingIOError):
            opened.connect((probe["to"], probe["port"]))
        self.selector.register(opened, selectors.EVENT_READ, lambda ready: self._read_tcp(ready, probe["token"]))

    def _read_tcp(self, ready: socket.socket, token: str) -> None:
        try:
            data = ready.recv(512)
            self.finish(token, ["answered", *json.loads(data)] if data else ["refused", "closed"])
        except OSError as error:
            self.finish(token, ["refused", error.strerror])

    def _udp(self, family: int, probe: dict[str, Any]) -> None:
        opened = self._open(family, socket.SOCK_DGRAM, 0, probe)
        opened.connect((probe["to"], probe["port"]))
        opened.send(probe["token"].encode())
        self.selector.register(opened, selectors.EVENT_READ, lambda ready: self._read_udp(ready, probe["token"]))

    def _read_udp(self, ready: socket.socket, token: str) -> None:
        try:
            text, *answer = json.loads(ready.recv(2048))
            if text == token:
                self.finish(token, ["answered", *answer])
        except OSError as error:
            self.finish(token, ["refused", error.strerror])

    def _icmp(self, family: int, probe: dict[str, Any]) -> None:
        version = 6 if family == socket.AF_INET6 else 4
        protocol = socket.IPPROTO_ICMPV6 if version == 6 else socket.IPPROTO_ICMP
        opened = self._open(family, socket.SOCK_RAW, protocol, probe)
        body = probe["token"].encode().ljust(max(16, probe.get("size", 0) - 8), b"\0")
        echo = _echo(ECHO[version][0], probe["source_port"], body)
        if version == 4:
            opened.connect((probe["to"], 0))
            opened.send(echo)
        else:  # One that is connected is routed again when it sends, with the source that it then has (rawv6_sendmsg).
            opened.sendto(echo, (probe["to"], 0))
        self.selector.register(opened, selectors.EVENT_READ, lambda ready: self._read_icmp(ready, version, probe))

    def _read_icmp(self, ready: socket.socket, version: int, probe: dict[str, Any]) -> None:
        try:
            data = ready.recv(65536)
        except OSError as error:
            return self.finish(probe["token"], ["refused", error.strerror])
        body = data[(data[0] & 15) * 4 :] if version == 4 else data
        if body[0] == ECHO[version][1] and body[8:24].rstrip(b"\0").decode("ascii", "replace") == probe["token"]:
            self.finish(probe["token"], ["answered"])
        return None


def probe(probes: list[dict[str, Any]], timeout: float, host: Host) -> dict[str, list[Any]]:
    """Sends all probes and waits for the answers; the namespace goes on serving meanwhile."""
    batch = Batch(host)
    deadline = time.monotonic()
    for number, one in enumerate(probes):
        batch.start(one)
        if number % 8 == 7:
            _serve(batch, 0.001)
        deadline = time.monotonic() + timeout
    while batch.waiting and (left := deadline - time.monotonic()) > 0:
        _serve(batch, left)
    for one in probes:
        batch.finish(one["token"], ["silence"])
    return batch.answers


def _serve(batch: Batch, timeout: float) -> None:
    for key, _ in batch.selector.select(timeout):
        if key.data is not None:
            key.data(key.fileobj)


def _dont_fragment(opened: socket.socket, family: int) -> None:
    level, option = (
        (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER) if family == socket.AF_INET6 else (socket.IPPROTO_IP, IP_MTU_DISCOVER)
    )
    opened.setsockopt(level, option, IP_PMTUDISC_DO)


def _echo(kind: int, identifier: int, body: bytes) -> bytes:
    """An ICMP echo message; the kernel fills in the checksum of ICMPv6, here it does no harm."""
    head = struct.pack("!BBHHH", kind, 0, 0, identifier & 0xFFFF, os.getpid() & 0xFFFF)
    return struct.pack("!BBHHH", kind, 0, _checksum(head + body), identifier & 0xFFFF, os.getpid() & 0xFFFF) + body


def _checksum(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total
