"""What answers in a namespace: TCP and UDP servers that say who they are and whom they saw, and ears for ICMP echoes."""

from __future__ import annotations

import contextlib
import errno
import json
import selectors
import socket
import struct
from collections.abc import Callable
from typing import Any

IP_PKTINFO = 8
ETH_P_ALL = 3
PACKET_HOST = 0
PROBE_PORTS = range(20000, 30000)
ECHO_REQUEST = {4: 8, 6: 128}


class Host:
    """The sockets of one namespace. ``seen``: what arrived, by the token of the probe: (source address, destination address)."""

    def __init__(self, name: str, selector: selectors.BaseSelector) -> None:
        self.name = name
        self.selector = selector
        self.seen: dict[str, list[Any]] = {}
        self._listen_icmp()

    def listen(self, ports: list[int]) -> int:
        """Serves TCP and UDP on the ports, in both families."""
        for port in ports:
            for family in (socket.AF_INET, socket.AF_INET6):
                self._tcp(family, port)
                self._udp(family, port)
        return len(ports)

    def _tcp(self, family: int, port: int) -> None:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(listener, family, port)
        listener.listen(512)
        self._watch(listener, self._accept)

    def _udp(self, family: int, port: int) -> None:
        bound = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET:
            bound.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        else:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        _bind(bound, family, port)
        self._watch(bound, self._datagram)

    def _watch(self, watched: socket.socket, handler: Callable[[socket.socket], None]) -> None:
        watched.setblocking(False)
        self.selector.register(watched, selectors.EVENT_READ, handler)

    def _accept(self, listener: socket.socket) -> None:
        """Answers a connection at once, with the name of the namespace and the address that it came from. It ends when the client wishes: sent again together with the
        end, conntrack would call the answer INVALID where it is to open a connection."""
        with contextlib.suppress(OSError):
            connection, peer = listener.accept()
            local = connection.getsockname()
            connection.send(json.dumps([self.name, plain(peer[0]), plain(local[0]), local[1]]).encode() + b"\n")
            self._watch(connection, self._ended)

    def _ended(self, connection: socket.socket) -> None:
        """The client's end, a reset, or its word that it has the answer; told again where a request was served in between."""
        if connection.fileno() >= 0:
            with contextlib.suppress(OSError):
                connection.recv(16)
            self.selector.unregister(connection)
            connection.close()

    def _datagram(self, bound: socket.socket) -> None:
        """Answers a datagram from the address that it was sent to, which a plain server on all addresses would not."""
        with contextlib.suppress(OSError):
            data, ancillary, _, peer = bound.recvmsg(2048, 256)
            control, local = _answer_from(ancillary)
            text = data.decode("ascii", "replace")
            self.seen[text] = [plain(peer[0]), local]
            answer = json.dumps([text, self.name, plain(peer[0]), local, bound.getsockname()[1]])
            bound.sendmsg([answer.encode()], control, 0, peer)

    def _listen_icmp(self) -> None:
        for family, protocol in ((socket.AF_INET, socket.IPPROTO_ICMP), (socket.AF_INET6, socket.IPPROTO_ICMPV6)):
            raw = socket.socket(family, socket.SOCK_RAW, protocol)
            if family == socket.AF_INET6:
                raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self._watch(raw, self._echo)

    def _echo(self, raw: socket.socket) -> None:
        """Notes an echo request that the kernel answers."""
        with contextlib.suppress(OSError):
            data, ancillary, _, peer = raw.recvmsg(65536, 256)
            if raw.family == socket.AF_INET:
                local, body = socket.inet_ntoa(data[16:20]), data[(data[0] & 15) * 4 :]
                request = ECHO_REQUEST[4]
            else:
                local, body, request = _answer_from(ancillary)[1], data, ECHO_REQUEST[6]
            if body[0] == request:
                self.seen[body[8:24].rstrip(b"\0").decode("ascii", "replace")] = [plain(peer[0]), local]

    def sniff(self) -> bool:
        """Notes the TCP openings that reach the namespace, whoever they are for: ``tcp:SOURCE PORT``, or ``syn:TARGET:PORT`` where
        the source port was translated on the way."""
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self._watch(packets, self._packet)
        return True

    def _packet(self, packets: socket.socket) -> None:
        with contextlib.suppress(OSError):
            data, origin = packets.recvfrom(256)
            family, protocol = (socket.AF_INET, data[9]) if data[0] >> 4 == 4 else (socket.AF_INET6, data[6])
            if origin[2] != PACKET_HOST or protocol != socket.IPPROTO_TCP:
                return
            four = family == socket.AF_INET
            start, ends, width = ((data[0] & 15) * 4, 12, 4) if four else (40, 8, 16)
            source_port = int.from_bytes(data[start : start + 2], "big")
            if data[start + 13] & 0x12 == 0x02:
                source, target = (socket.inet_ntop(family, data[at : at + width]) for at in (ends, ends + width))
                target_port = int.from_bytes(data[start + 2 : start + 4], "big")
                translated = f"syn:{target}:{target_port}"
                self.seen[f"tcp:{source_port}" if source_port in PROBE_PORTS else translated] = [source, target]


def plain(address: str) -> str:
    """An address without the zone."""
    return address.split("%")[0]


def _bind(unbound: socket.socket, family: int, port: int) -> None:
    if family == socket.AF_INET6:
        unbound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    unbound.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))


def _answer_from(ancillary: list[tuple[int, int, bytes]]) -> tuple[list[tuple[int, int, bytes]], str]:
    """The control message that answers from the address a datagram was sent to, and that address."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            address = data[8:12]
            return [(level, kind, struct.pack("I4s4s", 0, address, address))], socket.inet_ntoa(address)
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return [(level, kind, data[:16] + struct.pack("I", 0))], socket.inet_ntop(socket.AF_INET6, data[:16])
    raise OSError(errno.EINVAL, "no address")
