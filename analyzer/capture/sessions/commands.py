"""What the commands of a pasted session are to what is read: which say nothing of the network's state, which change it, and where several ran at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

SEPARATORS = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|(?P<separator>&&|\|\||;)")
ASIDE = re.compile(r"(?:sudo[ \t]+)?(?:cd|export|set|unset|source|\.|sleep|clear|true|echo|date|hostname|mkdir)(?:[ \t]|$)")
ELSEWHERE = re.compile(
    r"(?:^|[\s;|&('\"])(?:ssh|kubectl|oc|docker|podman|nerdctl|crictl|nsenter|xargs|parallel|while|netns)(?=\s|$)"
)
# Programs that ask, look or work; nothing of what they print is state that packets meet.
TALK = re.compile(
    r"(?:sudo[ \t]+)?(?:\S*/)?(?:hostname|hostnamectl|date|uptime|uname|whoami|who|w|id|pwd|cd|clear|echo|printf|ping6?|arping|fping|traceroute6?|tracepath6?|mtr"
    r"|curl|wget|nc|ncat|netcat|telnet|socat|dig|nslookup|host|getent|iperf3?|tcpdump|tshark|vi|vim|nano|ps|top|htop|free|df|du|lsmod|modinfo"
    r"|modprobe|dmesg|journalctl|systemctl|service|apt|apt-get|yum|dnf|apk|zypper|snap|sleep|history|which|export|set|unset|source|mkdir|rm|cp|mv|touch|chmod"
    r"|chown|git|go|make|tar|stress|openssl|helm|kubeadm|man|bash|sh|ash|su|true|false|time|test"
    r"|kubectl[ \t]+(?:\S+[ \t]+)*?(?:apply|create|delete|logs|version|top|rollout|scale|label|annotate|taint|cordon|uncordon|drain|edit|patch|explain"
    r"|api-resources|config|cluster-info|expose|set|wait|port-forward|auth)"
    r"|(?:docker|podman|nerdctl|crictl)[ \t]+(?:ps|images|pods|pull|logs|stats|rm|stop|start|restart|version|info)"
    r")(?:[ \t]|$)"
)
ROUTES = ("ip-route", "route-n")
LINKS = ("ip-addr", "ifconfig")
RULES = ("iptables-save", "iptables-list")
# Commands that change what others list, and the kinds of text that list it (ip-link(8): a device that is set down loses its routes).
CHANGES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(rf"(?:\S*/)?{pattern}"), kinds)
    for pattern, kinds in (
        (r"ip(?: -\S+)* (?:l|li|lin|link) (?:set|add|del|delete|change)\b", (*LINKS, *ROUTES, "ip-neigh")),
        (r"ip(?: -\S+)* (?:a|ad|add|addr|address) (?:add|del|delete|change|replace|flush)\b", (*LINKS, *ROUTES)),
        (r"ip(?: -\S+)* (?:r|ro|route) (?:add|del|delete|change|replace|append|prepend|flush)\b", ROUTES),
        (r"ip(?: -\S+)* (?:ru|rule) (?:add|del|delete|flush)\b", ("ip-rule",)),
        (r"ip(?: -\S+)* (?:n|ne|neigh|neighbor|neighbour) (?:add|del|delete|change|replace|flush)\b", ("ip-neigh",)),
        (r"ip6?tables(?:-legacy|-nft)?\b.* (?:-[AIDRFXPN]|--(?:append|insert|delete|replace|flush|policy))(?: |$)", RULES),
        (r"ip6?tables(?:-legacy|-nft)?-restore\b", RULES),
        (r"nft (?:-\S+ )*(?:add|insert|delete|destroy|replace|flush|-f)\b", ("nft",)),
        (r"ipset (?:-\S+ )*(?:add|del|flush|destroy|create|swap|restore)\b", ("ipset",)),
        (r"sysctl (?:.* )?(?:-w|--write|-p|--load|--system|\S+=\S+)(?: |$)", ("sysctl",)),
        (r"(?:echo|printf) .*> ?/proc/sys/", ("sysctl",)),
        (r"bridge fdb (?:add|append|del|delete|replace|flush)\b", ("bridge-fdb",)),
        (r"bridge vlan (?:add|del|delete|set)\b", ("bridge-vlan",)),
        (r"bridge link set\b", ("bridge-link",)),
        (r"tc (?:-\S+ )*filter (?:add|del|delete|change|replace)\b", ("tc-filter",)),
        (r"tc (?:-\S+ )*qdisc (?:add|del|delete|change|replace)\b", ("tc-qdisc", "tc-filter")),
        (r"brctl (?:add|del|set|hairpin)\w*\b", (*LINKS, "brctl", "bridge-link")),
        (r"ifconfig \S+ (?:up|down|add|del|[\d.]+|inet6?)\b", (*LINKS, *ROUTES)),
        (r"route (?:-\S+ )*(?:add|del|flush)\b", ROUTES),
        (r"arp (?:-\S+ )*-[sd](?: |$)", ("ip-neigh",)),
        (r"ipvsadm (?:-[AEDCRaedZ]|--\w+-(?:service|server)|--clear|--restore)(?: |$)", ("ipvs",)),
        (r"conntrack (?:-[DFIU]|--(?:delete|flush|create|update))(?: |$)", ("conntrack",)),
        (r"ovs-ofctl (?:.* )?(?:add-flows?|mod-flows|del-flows|replace-flows)\b", ("ovs-flows",)),
        (r"ovs-vsctl (?:.* )?(?:add|del|set|clear|remove)(?:-\w+)?\b", ("ovs-show", "ovs-list", "ovs-ports")),
    )
)


def pieces(command: str) -> Iterator[str]:
    """The commands of a line that several stand in, without those that only lead to one."""
    begin = 0
    ends = [(found.start(), found.end()) for found in SEPARATORS.finditer(command) if found["separator"]]
    for end, behind in [*ends, (len(command), len(command))]:
        word = command[begin:end].strip()
        if word and not ASIDE.match(word):
            yield word
        begin = behind


def main_piece(command: str) -> str:
    """The command of a line that tells what was printed: the first that does not only lead to another."""
    return next(pieces(command), command)


def scattered(command: str) -> bool:
    """Whether commands ran in several places: behind the first one, a line names a program that runs others elsewhere."""
    first = main_piece(command)
    rest = command[command.find(first) + len(first) :]
    piped = first.partition("|")[2]
    return ELSEWHERE.search(rest) is not None or ELSEWHERE.search(piped) is not None


def silent(command: str) -> bool:
    """Whether nothing is missed where the output of a command is not read."""
    return not command or TALK.match(command) is not None or bool(changed(command))


def changed(command: str) -> tuple[str, ...]:
    """The kinds of text that a command makes out of date."""
    return next((kinds for pattern, kinds in CHANGES if pattern.match(command)), ())
