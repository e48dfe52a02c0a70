"""Which namespace a file describes, told from the folders that it lies in.

Beside the capture layout itself: sosreport (``sos_commands/…/namespaces/<namespace>/``, and ``ip_netns_exec_<namespace>_…`` in its older form), calicoctl cluster diags
(``nodes/<node>/``), cilium-bugtool (``cmd/``), the log collectors of Rancher and EKS (``networking/``), antctl's bundles (``agent_<node>/``), submariner
(``<node>_ip-routes.log``), and a folder of files from one node.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from analyzer.source import Scope

UNNAMED = "node"
KEPT = (
    "etc/",
    "proc/sys/net/",
    "proc/net/",
    "var/lib/",
    "run/flannel/",
    "run/sysctl.d/",
    "usr/lib/sysctl.d/",
    "usr/share/iproute2/",
    "sos_commands/",
    "networking/",
    "ipamd/",
    "sysctls/",
    "systeminfo/",
    "system/netstat.txt",
    "cmd/",
)
KEPT_OTHERS = ("collector/", "diagnostics/", "linux/", "cni/", "opt/cni/")
SUBJECTS = frozenset(
    [
        "network",
        "net",
        "firewall",
        "netfilter",
        "iptables",
        "nftables",
        "nft",
        "ipset",
        "ipvs",
        "routing",
        "routes",
        "bridge",
        "ovs",
        "openvswitch",
        "ovn",
        "cni",
        "tc",
        "sysctl",
        "conntrack",
        "commands",
        "cmds",
        "outputs",
        "output",
    ]
)
OF_ONE_NODE = re.compile(r"(?:sosreport-(?P<host>.+?)(-\d+)?-\d{4}-\d\d-\d\d-\w+|agent_(?P<agent>[a-z0-9][a-z0-9.-]*))")
SUBMARINER = re.compile(
    r"(?P<node>[a-z0-9][a-z0-9.-]*)_(?:ip-[al]|ip-r[ou]\w+(?:-table\d+)?|sysctl-a|ipset-list|(?:ip6?|nf)tables(?:-\w+)*|ip-xfrm-\w+)\.log"
)
# What must-gather keeps of each node in one folder (gather_host_network_logs, gather_sos_networking,
# gather_network_logs_basics): the node's name, its address, or the pod of its zone's databases is in the file's.
HOST_LOG = re.compile(r"(?P<command>ip-address|ip-route4|ip-route6)-(?P<node>[a-z0-9][a-z0-9.-]*)\.log")
HOST_COMMANDS = {"ip-address": "ip_address", "ip-route4": "ip_-4_route", "ip-route6": "ip_-6_route"}
ZONE = re.compile(r"(?P<node>[a-z0-9][a-z0-9.-]*)_(?P<command>[ns]bdb)")
SOS_INFO = re.compile(r"(?P<node>[0-9a-f][0-9a-f.:]*)-(?P<command>ip .*)\.log")
NETNS_FILE = re.compile(
    r"ip_netns_exec_(?P<namespace>.+?)_(?P<command>(?:ip6?tables|ip|bridge|ss|netstat|nstat|tc|ethtool|sysctl|nft|conntrack|route|arp|ifconfig|cat)(?:[_-].*)?)"
)
EXECUTED = "ip_netns_exec_"
NAMESPACES = "sos_commands/networking/namespaces/"


@dataclass(frozen=True, slots=True)
class Position:
    """A file's position: the namespace, the folder that is the node's own (``root``), its name from there, and whether the
    capture layout says so."""

    scope: Scope
    root: str
    name: str
    captured: bool


def position(place: str, named: bool) -> Position:
    """Where a file stands. A file that was named itself and lies in no capture is about a node of which nothing is known."""
    folder, _, base = place.rpartition("/")
    if (known := captured_folder(folder)) and not base.startswith(EXECUTED):
        scope, root, before = known
        return Position(scope, root, f"{before}{base}", captured=True)
    parts = place.split("/")
    start = node_folder(parts)
    if start is not None:
        return within(parts[start], parts[: start + 1], parts[start + 1 :], captured=True)
    if "k8s" in parts[:-1]:
        at = parts.index("k8s")
        return Position(Scope(UNNAMED), "/".join(parts[:at]), "/".join(parts[at:]), captured=True)
    if (told := of_must_gather(parts)) is not None:
        return told
    for end in range(len(parts)):
        rest = "/".join(parts[end:])
        if rest.startswith(KEPT + KEPT_OTHERS) or (parts[end] == "netns" and len(parts) >= end + 3):
            node = parts[end - 1] if end and not named else UNNAMED
            return within(node_name(node), parts[:end], parts[end:], captured=False)
    if found := SUBMARINER.fullmatch(parts[-1]):
        root = "/".join((*parts[:-1], found["node"]))
        return Position(Scope(found["node"]), root, parts[-1], captured=False)
    if named or len(parts) < 2:
        return within(UNNAMED, [], parts[-1:], captured=False)
    return sorted_away(parts)


def sorted_away(parts: list[str]) -> Position:
    """The position in a folder of one node: that around those that are named for what is in them and not for a node (``n1/network/ip_addr``)."""
    end = len(parts) - 1
    while end and parts[end - 1].lower() in SUBJECTS:
        end -= 1
    return within(node_name(parts[end - 1]) if end else UNNAMED, parts[:end], parts[end:], captured=False)


def of_must_gather(parts: list[str]) -> Position | None:
    """The position of an output of one node among those of all of them."""
    if parts[-2:-1] == ["host_network_logs"] and (found := HOST_LOG.fullmatch(parts[-1])):
        name = HOST_COMMANDS[found["command"]]
    elif parts[-3:-1] == ["sos_info", "networking"] and (found := SOS_INFO.fullmatch(parts[-1])):
        name = found["command"].replace(" ", "_")
    elif parts[-2:-1] == ["ovnk_database_store"] and (found := ZONE.fullmatch(parts[-1])):
        name = parts[-1]
    else:
        return None
    return Position(Scope(found["node"]), "/".join((*parts[:-1], found["node"])), name, captured=False)


@lru_cache(maxsize=1 << 10)
def captured_folder(folder: str) -> tuple[Scope, str, str] | None:
    """The namespace, the node's folder, and what stands before the names of files, for the files of a folder below ``nodes/<node>``."""
    parts = f"{folder}/{UNNAMED}".split("/")
    start = node_folder(parts)
    if start is None:
        return None
    found = within(parts[start], parts[: start + 1], parts[start + 1 :], captured=True)
    return found.scope, found.root, found.name.removesuffix(UNNAMED)


def node_folder(parts: list[str]) -> int | None:
    """The index of a node's name below ``nodes``."""
    for index, part in enumerate(parts[:-2]):
        if part == "nodes":
            return index + 1
    return None


def node_name(folder: str) -> str:
    """The node that a folder is named for."""
    found = OF_ONE_NODE.fullmatch(folder)
    return (found["host"] or found["agent"]) if found else folder


def within(node: str, root: list[str], rest: list[str], *, captured: bool) -> Position:
    """The position below a node's folder: ``netns/<namespace>/`` and sosreport's ``namespaces/<namespace>/`` are namespaces."""
    name, namespace = "/".join(rest), ""
    if rest[0] == "netns" and len(rest) >= 3:
        namespace, name = rest[1], "/".join(rest[2:])
    elif name.startswith(NAMESPACES) and len(rest) >= 5:
        namespace = rest[3]
        name = rest[-1].removeprefix(f"ip_netns_exec_{namespace}_")
    elif found := NETNS_FILE.fullmatch(rest[-1]):
        namespace, name = found["namespace"], found["command"]
    return Position(Scope(node, namespace), "/".join(root), name, captured)
