"""Matches that ask what no capture tells: ``cgroup``, ``cpu``, ``time``, ``osf``, ``tcpmss``, ``string``, ``bpf``, ``nfacct``."""

from __future__ import annotations

from analyzer.facts.matches import Concerned, Match, OpenMatch
from analyzer.parsers._iptables_options import Maker, Options, only


def open_match(module: str, settle: str, concerned: Concerned = Concerned.EVERY) -> Maker:
    """A module whose match is open for the packets that it concerns, and holds for no other, negated or not."""

    def make(options: Options, family: int) -> list[Match]:
        del family
        return [OpenMatch(text_of(module, options), settle, concerned)]

    return make


def text_of(module: str, options: Options) -> str:
    """The match as it is written."""
    return " ".join((f"-m {module}", *(option.text for option in options)))


def segment_size(options: Options, family: int) -> list[Match]:
    """tcpmss (net/netfilter/xt_tcpmss.c ``tcpmss_mt``): without the option, which stands in packets with SYN alone (RFC 9293 section 3.7.1), it holds where it
    is negated."""
    del family
    return [OpenMatch(text_of("tcpmss", options), MAXSEG, Concerned.OPENING, only(options, "mss").negated)]


def accounted(options: Options, family: int) -> list[Match]:
    """nfacct (net/netfilter/xt_nfacct.c ``nfacct_mt``): it counts, and holds for every packet unless the counter has a quota that is not used up. Those of kube-proxy have none
    (pkg/proxy/metrics, ``nfacct.Add``)."""
    del family
    if only(options, "nfacct-name").value in PROXY_COUNTERS:
        return []
    return [OpenMatch(text_of("nfacct", options), "whether the counter has a quota (nfacct list), and how much of it is used up")]


PROXY_COUNTERS = frozenset({"ct_state_invalid_dropped_pkts", "localhost_nps_accepted_pkts"})
MAXSEG = "which segment size the packet announces"
OPEN_MODULES = {
    "cgroup": open_match("cgroup", "the cgroup of the process whose socket it is", Concerned.OWN),
    "cpu": open_match("cpu", "the CPU that handles the packet"),
    "time": open_match("time", "the time at which the packet passes"),
    "osf": open_match("osf", "which system sent the packet", Concerned.OPENING),
    "string": open_match("string", "the bytes of the packet"),
    "bpf": open_match("bpf", "what the program says of the packet"),
    "tcpmss": segment_size,
}
"""xt_cgroup.c ``cgroup_mt``: a packet without a full socket of the namespace does not match, negated or not; xt_osf.c, nfnetlink_osf.c ``nf_osf_hdr_ctx_init``:
neither does what is without SYN."""
