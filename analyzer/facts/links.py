"""Network interfaces and their addresses, as ``ip addr`` and ``ip link`` print them."""

from __future__ import annotations

from dataclasses import dataclass, field

from analyzer.addresses import Address
from analyzer.facts.base import Fact


@dataclass(frozen=True, slots=True)
class Vxlan:
    """``ip -d link``: a VXLAN device. ``port`` is the UDP destination port, ``source_ports`` the range of the others (0, 0: the host's);
    ``external`` is collect-metadata mode; ``zero_checksums``: whether it sends over IPv6 without UDP checksums (``udp6zerocsumtx``), and takes such packets;
    ``service`` is the type of service of what it sends: a number as it is written, ``inherit`` for that of the packet inside, so too of the others. ``marked``: packets take their marks along (``gbp``)."""

    identifier: int | None
    local: Address | None = None
    remote: Address | None = None
    group: Address | None = None
    device: str | None = None
    port: int = 8472
    learning: bool = True
    external: bool = False
    proxy: bool = False
    l2miss: bool = False
    l3miss: bool = False
    ttl: str = ""
    dont_fragment: str = ""
    source_ports: tuple[int, int] = (0, 0)
    zero_checksums: tuple[bool, bool] = (False, False)
    service: str = ""
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Tunnel:
    """An IP-in-IP, SIT or GRE device; ``kind`` is as ``ip -d link`` prints it (``ipip``, ``sit``, ``gre``, ``gretap``, ``ip6tnl`` …), ``mode`` what it carries
    (``any``, ``ip6ip`` …) where that is printed. ``key`` is that of the packets that it takes, ``key_sent`` of those that it sends; ``checksums`` and ``numbered`` (GRE's
    sequence numbers): whether it takes such packets, and sends them. ``may_be_cut``: the packets that it sends, where those inside may (``nopmtudisc``), or all of them
    (``ignores_fragmenting``, ``ignore-df``); ``limited``: they have IPv6's option that limits encapsulation; ``local_remote``: the far end may be the host itself."""

    kind: str
    local: Address | None = None
    remote: Address | None = None
    device: str | None = None
    external: bool = False
    key: str | None = None
    service: str = ""
    mode: str = ""
    key_sent: str | None = None
    checksums: tuple[bool, bool] = (False, False)
    numbered: tuple[bool, bool] = (False, False)
    may_be_cut: bool = False
    ignores_fragmenting: bool = False
    limited: bool = False
    local_remote: bool = False

    @property
    def family(self) -> int:
        """The IP version of the outer packets."""
        return 6 if self.kind.startswith("ip6") else 4

    @property
    def frames(self) -> bool:
        """Whether it carries frames."""
        return self.kind in ("gretap", "ip6gretap", "erspan", "ip6erspan")

    @property
    def carries(self) -> tuple[int, ...]:
        """The IP versions that it carries (``ipip_tunnel_xmit``, ``sit_tunnel_xmit``, ``ip6_tnl_start_xmit``; GRE: all)."""
        own = {"ipip": "ipip", "sit": "ip6ip", "ip6tnl": "any"}.get(self.kind, "any")
        modes = {"ipip": (4,), "ipip6": (4,), "ip6ip": (6,), "ip6ip6": (6,), "any": (4,) if self.kind == "ipip" else (4, 6)}
        return modes.get(self.mode or own, ())

    @property
    def header(self) -> int:
        """The bytes between the outer IP header and the packet inside: GRE's (RFC 2890), an Ethernet header, IPv6's option (RFC 2473 section 4.1.1)."""
        more = (self.key_sent is not None) + self.checksums[1] + self.numbered[1]
        return ("gre" in self.kind) * (4 + 4 * more) + 14 * self.frames + 8 * self.limited


@dataclass(frozen=True, slots=True)
class Geneve:
    """A Geneve device; ``dont_fragment`` and ``zero_checksums`` are as of VXLAN."""

    identifier: int | None
    remote: Address | None = None
    port: int = 6081
    external: bool = False
    service: str = ""
    dont_fragment: str = ""
    zero_checksums: tuple[bool, bool] = (False, False)


@dataclass(frozen=True, slots=True)
class Wireguard:
    """A WireGuard device; its peers stand in their own facts."""


@dataclass(frozen=True, slots=True)
class Macvlan:
    """A macvlan or macvtap device: ``bridge``, ``private``, ``vepa``, ``passthru`` or ``source``."""

    mode: str


@dataclass(frozen=True, slots=True)
class Ipvlan:
    """An ipvlan device: mode ``l2``, ``l3`` or ``l3s``; flag ``bridge``, ``private`` or ``vepa``."""

    mode: str
    flag: str = "bridge"


@dataclass(frozen=True, slots=True)
class Vlan:
    """A VLAN device over its parent."""

    identifier: int
    protocol: str = "802.1Q"


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge. ``None`` where the text does not say (no ``-d``)."""

    vlan_filtering: bool | None = None
    stp: bool | None = None
    default_vlan: int | None = None
    ageing: int | None = None
    nf_call_iptables: bool | None = None
    nf_call_ip6tables: bool | None = None


@dataclass(frozen=True, slots=True)
class Vrf:
    """A VRF device and the routing table that its members use."""

    table: int


@dataclass(frozen=True, slots=True)
class Bond:
    """A bond and its mode."""

    mode: str
    active: str | None = None


@dataclass(frozen=True, slots=True)
class OtherKind:
    """A kind of which nothing but the name matters here (``veth``, ``dummy``, ``tun``, ``ifb``, ``nlmon``, ``openvswitch`` …)."""

    name: str


Kind = Vxlan | Tunnel | Geneve | Wireguard | Macvlan | Ipvlan | Vlan | Bridge | Vrf | Bond | OtherKind


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFact(Fact):
    """One interface.

    ``peer_index`` is the ``@if12`` of the text and the ``link_index`` of JSON; ``parent`` is the name
    after ``@`` when it is in the same namespace. ``netnsid`` is ``link-netnsid`` (None: same
    namespace). ``kind`` is None when the text was printed without ``-d`` or has no kind (a physical device).
    ``detailed`` tells whether ``-d`` was given. ``flags`` is what stands in ``<…>``; ``master_kind`` is the kind of
    port that this link is (``bridge``, ``openvswitch``, ``vrf``, ``bond``), where printed. ``group`` is the number of the
    group that rules may ask for; None where it is a name that is not known, or is not printed.
    """

    name: str
    index: int | None = None
    flags: frozenset[str] = frozenset()
    mtu: int | None = None
    mac: int | None = None
    link_type: str = "ether"
    state: str = "UNKNOWN"
    master: str | None = None
    master_kind: str | None = None
    peer_index: int | None = None
    parent: str | None = None
    netnsid: int | None = None
    netns_name: str | None = None
    kind: Kind | None = None
    detailed: bool = False
    promiscuity: int = 0
    alias: str | None = None
    alternative_names: tuple[str, ...] = ()
    group: int | None = 0

    @property
    def up(self) -> bool:
        """Administratively up."""
        return "UP" in self.flags

    @property
    def carrier(self) -> bool:
        """Up and with a carrier: what can carry a packet (``LOWER_UP``; the kernel prints NO-CARRIER otherwise)."""
        return self.up and "NO-CARRIER" not in self.flags

    @property
    def hardware_type(self) -> int | None:
        """The number of the type of device that rules may ask for (include/uapi/linux/if_arp.h); None where it is not known."""
        if "LOOPBACK" in self.flags:
            return LOOPBACK
        return HARDWARE.get(self.link_type) if self.link_type != "ether" or self.mac is not None else None


LOOPBACK = 772
HARDWARE = {"ether": 1, "ppp": 512, "rawip": 519, "ipip": 768, "tunnel6": 769, "sit": 776, "gre": 778, "gre6": 823, "none": 65534}
"""``link/…`` of ip, by the names of iproute2 (lib/ll_types.c)."""


def group_of(text: str) -> int | None:
    """The number of a group; only ``default`` is a name that every host has (/etc/iproute2/group)."""
    return 0 if text == "default" else int(text) if text.isdecimal() else None


DATAPATHS = frozenset({"ovs-system", "datapath"})
"""The devices of Open vSwitch's datapaths: that of ovs-vswitchd (lib/dpif-netlink.c), and that of Weave's fast datapath (net/bridge.go of weaveworks/weave, ``DatapathName``)."""
CAPTURING = "vethwe-pcap"
"""The end of a pair at which Weave's own program captures what its bridge sends to other hosts, where it has no fast datapath (net/bridge.go, ``PcapIfName``)."""


def in_datapath(link: LinkFact) -> bool:
    """Whether a program or flows take what comes in at an interface: it is a port of a datapath (net/openvswitch/vport-netdev.c makes the datapath's own device its master), by the kind that is printed,
    else by its master's name; or Weave captures there."""
    named = link.master_kind is None and link.master in DATAPATHS
    return link.master_kind == "openvswitch" or named or link.name == CAPTURING


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressFact(Fact):
    """An address of an interface with its prefix length; ``peer`` of a point-to-point address. ``order``: the position among those that stand in one
    place of the text."""

    device: str
    address: Address
    length: int
    peer: Address | None = None
    peer_length: int | None = None
    broadcast: Address | None = None
    scope_name: str = "global"
    label: str | None = None
    flags: frozenset[str] = frozenset()
    order: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceIdFact(Fact):
    """``ip netns list``: the name of a namespace and the id (``link-netnsid``) it has in the scope's namespace."""

    name: str
    netnsid: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WireguardPeerFact(Fact):
    """A WireGuard peer as ``wg show`` prints it, without keys' secrets. ``allowed`` None: what it may have was not listed (``wg show endpoints``);
    ``located``: whether its endpoint was (not by ``wg show allowed-ips``)."""

    device: str
    public_key: str
    endpoint: Address | None
    port: int | None
    allowed: tuple[str, ...] | None = ()
    located: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WireguardFact(Fact):
    """What ``wg show`` says of a device itself: its public key, the port that it listens on, the mark of what it sends; None: not said."""

    device: str
    public_key: str | None = None
    port: int | None = None
    mark: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OffloadFact(Fact):
    """``ethtool -k``: one feature of a device."""

    device: str
    feature: str
    enabled: bool
