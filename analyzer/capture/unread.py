"""What people paste that is not read, and which command gives what is needed instead."""

from __future__ import annotations

import re

HEAD = 1 << 14
NOT_RECOGNISED = "not recognised: neither its name nor its content is known"
KNOWN = (
    (
        re.compile(r"\ANAME(?:SPACE)?(?: {2,}[A-Z][A-Z0-9()/-]*(?: [A-Z0-9()/-]+)*)+[ \t]*(?:\n|\Z)"),
        "this table of kubectl get is not read: -o yaml gives the objects",
    ),
    (
        re.compile(r'\A\s*\[\s*\{\s*"[Nn]ame"\s*:[\s\S]*?"(?:IPAM|network_interface)"\s*:'),
        "docker network inspect (and podman network inspect) says what was asked for; ip -d addr on the host says which bridge has which address",
    ),
    (
        re.compile(r'\A\s*\{\s*"(?:status|info)"\s*:[\s\S]*?"(?:runtimeSpec|SANDBOX_\w+|CONTAINER_\w+)"'),
        "crictl inspectp and inspect do not tell what a network namespace holds; with the path that it names: nsenter --net=PATH ip addr, and ip route",
    ),
    (
        re.compile(
            r"\A\s*(?:ufid:\S+,? ?)?(?:flow-dump from.*\s+)?recirc_id\(|^(?:ufid:\S+ )?(?:recirc_id|tunnel|in_port)\(.*actions:",
            re.MULTILINE,
        ),
        "flows that a datapath has cached tell what packets did, not what becomes of others; ovs-ofctl dump-flows of each bridge is read",
    ),
    (
        re.compile(r"\A\s*port +VLAN +MAC +Age"),
        "what a bridge of Open vSwitch has learned says where frames came from lately; ovs-ofctl show and dump-flows of it are read",
    ),
    (
        re.compile(r"^(?:ConntrackKey\{.* -> |(?:TCP|UDP|ICMP6?|UNKNOWN) \S+:\d+ -> \S+:\d+ .* Active ago )", re.MULTILINE),
        "connections of Calico's eBPF dataplane are not read: verdicts are about new ones; calico-node -bpf routes dump and nat dump are",
    ),
    (
        re.compile(r"^dev +\d+: +[0-9a-f.:]+ : (?:[0-9a-f]{2}:){5}[0-9a-f]{2} -> ", re.MULTILINE),
        "the neighbours of Calico's eBPF dataplane are not read: ip neigh has those of the kernel",
    ),
    (
        re.compile(r"\A\s*(?:total \d+\s*\n)?(?:[-dl][-rwxsStT]{9}[.+@]? .*\n?)+\Z"),
        "a listing of files: what stands in them is read (cat FILE; of /opt/cni/bin, the names: ls /opt/cni/bin)",
    ),
)


def not_read(text: str) -> str:
    """Why a text is not read, in words, where it is known what it is; else that it is not."""
    head = text[:HEAD].lstrip("\n")
    return next((words for pattern, words in KNOWN if pattern.search(head)), NOT_RECOGNISED)


def only_wanted(path: str) -> bool:
    """Whether a file of switches says what is wanted, not what is."""
    from analyzer.facts.system import WANTED

    return WANTED.search(path) is not None
