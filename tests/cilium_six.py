"""The same cluster with Cilium for both IP versions: every address of IPv4 has one of IPv6 beside it, and what is said of the one is said of the other.
Tunnels go between addresses of IPv4, as Cilium's do."""

from __future__ import annotations

import re

POD, NODE, SERVICE = "fd00:10:244", "fd00:66", "fd00:96"
NETWORKS = (
    (r"10\.244\.0\.0/16", f"{POD}::/48"),
    (r"10\.244\.(\d+)\.0/24", rf"{POD}:\1::/64"),
    (r"10\.244\.(\d+)\.(\d+)/32", rf"{POD}:\1::\2/128"),
    (r"10\.244\.(\d+)\.0\b(?!:)", rf"{POD}:\1::"),
    (r"10\.244\.(\d+)\.(\d+)", rf"{POD}:\1::\2"),
    (r"192\.168\.0\.0/24", f"{NODE}::/64"),
    (r"192\.168\.0\.(\d+)/24", rf"{NODE}::\1/64"),
    (r"192\.168\.0\.(\d+)/32", rf"{NODE}::\1/128"),
    (r"192\.168\.0\.(\d+)", rf"{NODE}::\1"),
    (r"10\.96\.0\.(\d+)", rf"{SERVICE}::\1"),
    (r"203\.0\.113\.(\d+)", r"2001:db8::\1"),
    (r"8\.8\.8\.0/24", "2001:4860::/48"),
    (r"8\.8\.8\.8", "2001:4860::8888"),
    (r"0\.0\.0\.0/0", "::/0"),
    (r"127\.0\.0\.1", "::1"),
)
LISTINGS = ("cilium_bpf_ipcache_list", "cilium_bpf_endpoint_list", "cilium_bpf_lb_list", "cilium_bpf_tunnel_list")


def six(text: str) -> str:
    """A text with addresses of IPv6 in the place of those of IPv4."""
    for before, after in NETWORKS:
        text = re.sub(before, after, text)
    return text


def dual(files: dict[str, str]) -> dict[str, str]:
    """The files of a capture with both."""
    found: dict[str, str] = {}
    for path, text in files.items():
        folder, _, name = path.rpartition("/")
        if name == "ip_-d_addr":
            found[path] = addresses(text)
        elif name in LISTINGS:
            found[path] = text + "".join(f"{one}\n" for line in text.split("\n") if (one := beside(name, line)))
        elif name.startswith("cilium_bpf_egress"):
            found[path] = text + "\n".join(map(egress, text.split("\n")[1:]))
        elif name.endswith("--source-ranges"):
            found[path] = text + "\n".join(map(sources, text.split("\n")[1:]))
        elif name == "ip_route_show_table_all":
            found[path] = text
            found[f"{folder}/ip_-6_route_show_table_all"] = routes(text)
        elif name == "ip_rule":
            found |= {path: text, f"{folder}/ip_-6_rule": text}
        elif name.startswith("iptables"):
            found |= {path: text, f"{folder}/ip6tables{name.removeprefix('iptables')}": ruleset(text)}
        elif name == "sysctl_net":
            found[path] = text + "net.ipv6.conf.all.forwarding = 1\nnet.ipv6.conf.all.disable_ipv6 = 0\n"
        elif name == "ipset_save":
            found[path] = text + six(text).replace("_v4", "_v6").replace("family inet ", "family inet6 ")
        elif name.startswith("cilium_bpf_policy"):
            found[path] = "".join(policy(line) for line in text.splitlines(keepends=True))
        elif name.startswith("cilium_status"):
            found[path] = text.replace("IPv6: Disabled]", "IPv6: Enabled]").replace("10.244.0.0/16", f"10.244.0.0/16 {POD}::/48")
        else:
            found[path] = objects(text)
    return found


def beside(name: str, line: str) -> str:
    """What a line of a listing is in IPv6; empty for headings, and for what says nothing there."""
    if not re.match(r"[\d.]+\.", line) and not line.startswith(" "):
        return ""
    if name == "cilium_bpf_lb_list":
        return re.sub(r"([\d.]+\.\d+):(\d+)", lambda one: f"[{'::' if one[1] == '0.0.0.0' else six(one[1])}]:{one[2]}", line)
    key, _, value = line.partition(" ")
    return f"{six(key)}   {value.strip()}"


def addresses(text: str) -> str:
    """Links with an address of IPv6 after each of IPv4."""
    lines = []
    for line in text.split("\n"):
        lines.append(line)
        if line.startswith("    inet ") and "127.0.0.1" not in line:
            lines.append(six(line).replace("inet ", "inet6 ", 1))
    return "\n".join(lines)


def routes(text: str) -> str:
    """The routes of IPv6."""
    kept = [line for line in text.split("\n") if not line.startswith("broadcast") and "127.0.0.0" not in line]
    return "\n".join(six(line).replace("local default", "local ::/0") for line in kept)


def ruleset(text: str) -> str:
    """The rules of IPv6: nothing is routed from 127.0.0.1 there."""
    kept = [line for line in text.split("\n") if "127.0.0.1" not in line]
    return "\n".join(six(line).replace("_v4", "_v6") for line in kept)


def egress(line: str) -> str:
    """An entry of the egress map: its gateway has an address of IPv4."""
    words = re.split(r"\s{2,}", line)
    return "   ".join([*map(six, words[:3]), *words[3:]])


def sources(line: str) -> str:
    """A range of addresses."""
    for before, after in (
        ("203.0.113.0/24", "2001:db8::/64"),
        ("198.51.100.0/24", "2001:db8:1::/64"),
        ("203.0.113.8/30", "2001:db8::8/126"),
    ):
        line = line.replace(before, after)
    return line


def policy(line: str) -> str:
    """An entry about pings, for both."""
    return line + line.replace("8/ICMP  ", "128/ICMPv6") if "8/ICMP " in line else line


def objects(text: str) -> str:
    """Objects of Kubernetes: pods, nodes and services have both addresses."""
    text = re.sub(r"podIPs: \[\{ip: ([\d.]+)\}\]", lambda one: f"podIPs: [{{ip: {one[1]}}}, {{ip: '{six(one[1])}'}}]", text)
    text = re.sub(r"clusterIPs: \[([\d.]+)\]", lambda one: f"clusterIPs: [{one[1]}, '{six(one[1])}']", text)
    text = re.sub(r"(type: InternalIP, address: )([\d.]+)\}", lambda one: f"{one[0]}, {{{one[1]}'{six(one[2])}'}}", text)
    return re.sub(r"podCIDRs: \[([\d./]+)\]", lambda one: f"podCIDRs: [{one[1]}, '{six(one[1])}']", text)
