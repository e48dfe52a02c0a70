"""OpenFlow as Open vSwitch prints it: tests on a packet's fields, and actions. Fields have the names and widths of ``WIDTHS``.

After ovs-fields(7), ovs-actions(7), lib/meta-flow.c (names, prerequisites) and lib/ofp-actions.c.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

REGISTERS = 32
WIDTHS: Mapping[str, int] = {
    **{f"reg{number}": 32 for number in range(REGISTERS)},
    **{f"xreg{number}": 64 for number in range(REGISTERS // 2)},
    **{f"xxreg{number}": 128 for number in range(REGISTERS // 4)},
    **{f"tun_metadata{number}": 992 for number in range(64)},
    **dict.fromkeys(("in_port", "nw_src", "nw_dst", "arp_spa", "arp_tpa", "pkt_mark", "ct_mark", "conj_id"), 32),
    **dict.fromkeys(("tun_src", "tun_dst", "ct_nw_src", "ct_nw_dst", "skb_priority", "recirc_id", "dp_hash"), 32),
    **dict.fromkeys(("actset_output", "packet_type", "nd_reserved", "tun_gbp_id", "tun_erspan_idx", "mpls_label"), 32),
    **dict.fromkeys(("nsh_c1", "nsh_c2", "nsh_c3", "nsh_c4", "nsh_spi", "tun_gtpu_msgtype", "ipv6_label", "mpls_lse"), 32),
    **dict.fromkeys(("eth_src", "eth_dst", "arp_sha", "arp_tha", "nd_sll", "nd_tll"), 48),
    **dict.fromkeys(("ipv6_src", "ipv6_dst", "nd_target", "ct_label", "ct_ipv6_src", "ct_ipv6_dst"), 128),
    **dict.fromkeys(("tun_ipv6_src", "tun_ipv6_dst"), 128),
    **dict.fromkeys(("tun_id", "metadata"), 64),
    **dict.fromkeys(("eth_type", "vlan_tci", "tp_src", "tp_dst", "tcp_flags", "ct_zone", "tun_flags", "arp_op"), 16),
    **dict.fromkeys(("ct_tp_src", "ct_tp_dst"), 16),
    **dict.fromkeys(("ip_proto", "nw_tos", "nw_ttl", "ip_frag", "icmp_type", "icmp_code", "ct_state", "ct_nw_proto"), 8),
    **dict.fromkeys(("tun_tos", "tun_ttl", "tun_gbp_flags", "tun_erspan_ver", "tun_erspan_dir", "tun_erspan_hwid"), 8),
    **dict.fromkeys(("nd_options_type", "mpls_tc", "mpls_bos", "mpls_ttl", "tun_gtpu_flags"), 8),
    **dict.fromkeys(("nsh_flags", "nsh_mdtype", "nsh_np", "nsh_si", "nsh_ttl"), 8),
}
# Connection states (lib/packets.h, CS_…).
CT_STATES: Mapping[str, int] = {
    "new": 1,
    "est": 2,
    "rel": 4,
    "rpl": 8,
    "inv": 16,
    "trk": 32,
    "snat": 64,
    "dnat": 128,
}
# Operations of OVN's controller (ovn/actions.h, ACTION_OPCODE_…) that answer a neighbour solicitation: nd_na and nd_na_router.
ADVERTISING = frozenset({"00.00.00.03", "00.00.00.0c"})
# Those that answer a packet with an error or a reset, and let nothing else become of it: icmp, tcp_reset, icmp4_error, icmp6_error, reject, sctp_abort.
REFUSING = frozenset({f"00.00.00.{number:02x}" for number in (10, 11, 14, 20, 22, 24)})
NO_PORT = 0xFFFF
LOCAL_PORT = 0xFFFE


class FieldTest(NamedTuple):
    """``field & mask == value``."""

    field: str
    value: int
    mask: int


class Subfield(NamedTuple):
    """``width`` bits of a field from bit ``low`` on."""

    field: str
    low: int
    width: int


class Load(NamedTuple):
    """``field = (field & ~mask) | value`` (load, set_field, mod_…)."""

    field: str
    value: int
    mask: int


class Move(NamedTuple):
    """Bits of one field become bits of another."""

    origin: Subfield
    target: Subfield


class Push(NamedTuple):
    """Bits of a field are kept on the stack."""

    origin: Subfield


class Pop(NamedTuple):
    """Bits of a field are taken from the stack."""

    target: Subfield


class Output(NamedTuple):
    """Out of a port: its number or name, LOCAL, IN_PORT, NORMAL, FLOOD, ALL, TABLE or ANY; or the port whose number is in a field."""

    port: str | Subfield


class Controller(NamedTuple):
    """To the controller, with its ``userdata`` (OVN's begins with the operation). ``answer``: what OVN's controller does with the neighbour advertisement
    that it makes of a solicitation; None where that is not understood."""

    userdata: str = ""
    answer: tuple[Action, ...] | None = ()

    @property
    def operation(self) -> str:
        """OVN's operation (ovn/actions.h, ``ACTION_OPCODE_…``)."""
        return self.userdata[:11]


class Resubmit(NamedTuple):
    """Looks up a table (empty: the current one) as if the packet had come in by a port (empty: its own), then goes on."""

    port: str = ""
    table: str = ""


class Goto(NamedTuple):
    """Goes on in a table; nothing of this flow follows."""

    table: str


class Nat(NamedTuple):
    """``nat(…)`` of ``ct``: the side that is translated (None: as the connection says), to which addresses and ports."""

    source: bool | None = None
    addresses: tuple[int, int] | None = None
    family: int = 4
    ports: tuple[int, int] | None = None


class Conntrack(NamedTuple):
    """``ct(…)``: the packet is looked up in a zone (a number, or a field's bits), and goes on in ``table`` with what is known of it (empty: it does not)."""

    zone: int | Subfield = 0
    table: str = ""
    commit: bool = False
    force: bool = False
    nat: Nat | None = None
    executed: tuple[Action, ...] = ()


class ClearConntrack(NamedTuple):
    """``ct_clear``: the packet was not looked up."""


class Group(NamedTuple):
    """The buckets of a group."""

    number: int


class PushVlan(NamedTuple):
    """A VLAN header, of which nothing but the priority and number is modelled."""

    ethertype: int = 0x8100


class PopVlan(NamedTuple):
    """The outer VLAN header goes."""


class DecrementTtl(NamedTuple):
    """The time to live becomes less by one; where it is used up, the packet ends."""


class CheckLarger(NamedTuple):
    """Whether the packet is longer than ``size`` bytes, into a bit."""

    size: int
    target: Subfield


class Clone(NamedTuple):
    """The actions on a copy."""

    actions: tuple[Action, ...]


class WriteActions(NamedTuple):
    """Actions that are done at the end of the pipeline."""

    actions: tuple[Action, ...]


class ClearActions(NamedTuple):
    """Forgets what ``WriteActions`` gathered."""


class Conjunction(NamedTuple):
    """The flow is one clause, from 1, of several of a conjunction; it does nothing of its own."""

    identifier: int
    clause: int
    clauses: int


class Choose(NamedTuple):
    """``multipath``: a field's bits get a number below ``ways`` by a hash of the packet."""

    ways: int
    target: Subfield


class OneOf(NamedTuple):
    """``bundle``: out of one of the ports."""

    ports: tuple[str, ...]


class Learn(NamedTuple):
    """``learn(…)``: a flow is added, whose tests and loads are values or bits of this packet; the packet goes on. ``leaves``: the bits that hold the
    port by which packets of the new flow leave."""

    table: str
    priority: int
    tests: tuple[tuple[Subfield, int | Subfield], ...]
    loads: tuple[tuple[Subfield, int | Subfield], ...] = ()
    leaves: Subfield | None = None


class Exit(NamedTuple):
    """Nothing more is done."""


class Harmless(NamedTuple):
    """What neither changes the packet nor decides its way: notes, queues, samples, meters that are not exceeded."""

    text: str


class NotModelled(NamedTuple):
    """What this analyzer knows by name and does not model."""

    text: str


Action = (
    Load
    | Move
    | Push
    | Pop
    | Output
    | Controller
    | Resubmit
    | Goto
    | Conntrack
    | ClearConntrack
    | Group
    | PushVlan
    | PopVlan
    | DecrementTtl
    | CheckLarger
    | Clone
    | WriteActions
    | ClearActions
    | Conjunction
    | Choose
    | OneOf
    | Learn
    | Exit
    | Harmless
    | NotModelled
)
