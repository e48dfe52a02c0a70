"""What a real kernel did, as a text: the capture, file by file, and the probes with their results.

# title
=== nodes/node-a/ip_addr.json
(the file)
=== probes
default/a1 10.244.1.2 TCP 8080 from=20001 | answered default/b1 10.244.0.2
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.lab.probes import Probe, Result

MARK = "=== "
PROBES = "probes"
SWITCHES = re.compile(
    r"net\.(ipv[46]\.(ip_forward |conf\.[^ ]*\.(forwarding|force_forwarding|rp_filter|proxy_arp|proxy_arp_pvlan|arp_ignore|arp_announce|arp_filter|accept_local|route_localnet"
    r"|src_valid_mark|proxy_ndp|disable_ipv6|medium_id|bc_forwarding|accept_ra|disable_policy|ignore_routes_with_linkdown) |fib_multipath[^ ]* |icmp_echo_ignore_all |ip_nonlocal_bind |ip_local_port_range |fwmark_reflect |tcp_fwmark_accept )"
    r"|ipv4\.vs\.(conntrack|sloppy_tcp|sloppy_sctp|schedule_icmp|ignore_tunneled|snat_reroute|cache_bypass|backup_only|conn_reuse_mode|nat_icmp_send|drop_packet|drop_entry|secure_tcp) "
    r"|bridge\.|netfilter\.nf_conntrack_(tcp_(loose|be_liberal)|max|count) |ipv6\.icmp\.echo_ignore_all )"
)
LINK_KEYS = ("num_tx_queues", "num_rx_queues", "gso_max_size", "gso_max_segs", "tso_max_size", "tso_max_segs", "gro_max_size", "txqlen",
             "inet6_addr_gen_mode", "min_mtu", "max_mtu", "parentbus", "parentdev", "gso_ipv4_max_size", "gro_ipv4_max_size")  # fmt: skip


def write(path: Path, title: str, folder: Path, chosen: list[Probe], results: list[Result]) -> None:
    """Writes a recording of a capture and what came of the probes. ``ip link`` says nothing that ``ip addr`` does not."""
    parts = [f"# {title}\n"]
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name != "ip_link.json" and (text := compact(file.name, file.read_text())):
            parts.append(f"{MARK}{file.relative_to(folder)}\n{text}")
    parts.append(f"{MARK}{PROBES}\n")
    parts += [f"{probe} | {result}\n" for probe, result in zip(chosen, results, strict=True)]
    path.write_text("".join(parts))


def compact(name: str, text: str) -> str:
    """A file of a capture without what no packet depends on."""
    if name == "sysctl_net":
        text = "".join(line for line in text.splitlines(keepends=True) if SWITCHES.match(line))
    elif name == "ss_-tunlp":
        text = re.sub(r" +users:.*", "", text)
        text = re.sub(r" {2,}", "  ", text)
    elif name == "ip_addr.json":
        text = _without(json.loads(text))
    elif name.startswith("ovs-ofctl_dump-flows"):
        text = re.sub(r"cookie=\S+ duration=\S+ |n_packets=\d+, n_bytes=\d+, |(idle|hard)_age=\d+, ", "", text)
    elif name.startswith(("iptables", "ip6tables")):
        text = "".join(
            line
            for line in text.splitlines(keepends=True)
            if not line.startswith("# Generated") and not line.startswith("# Completed")
        )
    return text if text.endswith("\n") or not text else text + "\n"


def _without(links: list[dict[str, object]]) -> str:
    for link in links:
        for key in LINK_KEYS:
            link.pop(key, None)
    return "[" + ",\n".join(json.dumps(link, separators=(",", ":")) for link in links) + "]\n"


def unpack(text: str, folder: Path) -> tuple[str, list[tuple[Probe, Result]]]:
    """Writes the capture of a recording below a folder; returns the title and the probes with their results."""
    title, *sections = re.split(rf"^{MARK}", text, flags=re.MULTILINE)
    for section in sections[:-1]:
        name, _, body = section.partition("\n")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(body)
    return title.removeprefix("# ").strip(), list(_results(sections[-1]))


def _results(section: str) -> Iterator[tuple[Probe, Result]]:
    for line in section.splitlines()[1:]:
        sent, _, done = line.partition(" | ")
        source, target, protocol, port, *options = sent.split()
        more = dict(option.split("=", 1) for option in options)
        probe = Probe(source, target, protocol, int(port), int(more["from"]), more.get("enter", ""), int(more.get("size", 0)))
        answered, at, seen = done.split()
        yield probe, Result(answered == "answered", None if at == "-" else at, None if seen == "-" else seen)
