"""Whether anything in a capture could tell later packets of a connection's answers from the first one.

Of TCP the first answer has SYN and ACK, all that follow have ACK alone, and come after a packet of who asked in an ESTABLISHED connection. Rules tell
them apart by the flags, by the length (options go with SYN), or by what that packet left behind: a connection's mark or label, a member of a set, a flow that a switch
learned. Conntrack itself does where it has not seen the connection: SYN with ACK is INVALID there, ACK alone opens one (nf_conntrack_proto_tcp.c
``tcp_new``, unless nf_conntrack_tcp_loose is 0); that is seen while the first answer is followed.
"""

from __future__ import annotations

from collections.abc import Mapping

from analyzer.model.network import Network

WORDS: Mapping[str, tuple[str, ...]] = {
    "iptables-save": (
        "--tcp-flags",
        "--syn",
        "--length",
        "CONNMARK --s",
        "CONNMARK --and",
        "CONNMARK --or",
        "CONNMARK --x",
        "CONNMARK --n",
        "CONNMARK --c",
        " SET --",
        "-m u32",
    ),
    "iptables-list": ("flags:", "length", "CONNMARK", "-set", "u32"),
    "nft": (
        "tcp flags",
        "length",
        "ct mark set",
        "update @",
        "add @",
        '"field": "flags"',
        '"mangle"',
        '"op": "',
        "@th",
        '"base"',
    ),
    "ovs-flows": ("tcp_flags", "ct_mark", "ct_label", "learn("),
    "tc-filter": ("tcp_flags",),
}
"""Words of each kind of rules that tell such packets apart."""


def later_answers_differ(network: Network) -> bool:
    """Whether some rule may treat a later answer unlike the first; networks without text are taken to have one."""
    if not network.sources:
        return True
    return any(source.says(word) for source in network.sources.values() for word in WORDS.get(source.kind, ()))
