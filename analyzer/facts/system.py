"""Kernel switches, sockets, traffic control, and files of a node that hold one value."""

from __future__ import annotations

import re
from dataclasses import dataclass

from analyzer.addresses import Address
from analyzer.facts.base import Fact

# Files that say which switches are wanted at the start (sysctl.d(5), sysctl.conf(5)), and not what they are.
WANTED = re.compile(r"(^|/)sysctl\.(d/|conf$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SysctlFact(Fact):
    """A kernel switch, its key with dots as ``sysctl`` prints it (``net.ipv4.conf.eth0/5.rp_filter`` for a device ``eth0.5``)."""

    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerFact(Fact):
    """A listening socket (``ss -tunlp``). ``address`` None means every address of both families (``*``); family 4 or 6 wildcards are 0.0.0.0 and ::."""

    protocol: int
    address: Address | None
    port: int
    device: str | None = None
    process: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketListFact(Fact):
    """A list of sockets: of which protocols it has all that listen."""

    protocols: frozenset[int]


@dataclass(frozen=True, slots=True)
class Mirred:
    """``mirred``: ``redirect`` takes the packet, ``mirror`` copies it; out of (``egress``) or into (``ingress``) a device."""

    redirect: bool
    ingress: bool
    device: str


@dataclass(frozen=True, slots=True)
class OtherAction:
    """Another action, by name: ``gact drop``, ``gact pass``, ``skbedit``, ``bpf`` … with its text."""

    name: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterFact(Fact):
    """One ``tc filter``. ``hook`` is ``ingress``, ``egress`` or ``root``. ``everything`` is True when it matches all packets
    (matchall; u32 with mask 0), None when the classifier is not understood (``bpf``, ``flower`` with keys);
    ``keys`` are u32's (value, mask, offset) words, all of which must match, where ``everything`` is False.
    """

    device: str
    hook: str
    preference: int
    protocol: str
    classifier: str
    everything: bool | None
    keys: tuple[tuple[int, int, int], ...] = ()
    actions: tuple[Mirred | OtherAction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QdiscFact(Fact):
    """One ``tc qdisc``: ``kind`` such as ``ingress``, ``clsact``, ``noqueue``, ``tbf``, ``fq_codel``."""

    device: str
    kind: str
    handle: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFact(Fact):
    """A queue of netfilter that a program listens on; ``mode``: what it gets of a packet, 0 nothing, 1 what is known of it, 2 (also) its bytes."""

    number: int
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedDeviceFact(Fact):
    """A device as NetworkManager or systemd-networkd (``manager``) lists it: its state in their words, whether they set it up, and by which ``profile``."""

    device: str
    manager: str
    state: str
    managed: bool
    profile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFact(Fact):
    """An entry of ``conntrack -L``: original and reply tuples as (source, destination, source port, destination port);
    for ICMP the ports are type and identifier as printed, and ``code`` is its code. ``status`` holds ASSURED, UNREPLIED, OFFLOAD …
    ``zone`` is that of the original direction, ``reply_zone`` that of the other. ``seconds``: how long the entry was to last, None where
    that is not shown."""

    protocol: int
    original: tuple[Address, Address, int, int]
    reply: tuple[Address, Address, int, int]
    state: str = ""
    status: frozenset[str] = frozenset()
    mark: int = 0
    zone: int = 0
    reply_zone: int = 0
    code: int = 0
    seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverFact(Fact):
    """``resolv.conf``: name servers, search list and options."""

    servers: tuple[Address, ...]
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetFileFact(Fact):
    """``/run/flannel/subnet.env``: its variables."""

    values: tuple[tuple[str, str], ...]
