"""What ``iptables -L`` shows of matches and targets, and the words that ``iptables-save`` has for it.

As the ``print`` functions of the extensions write it (iptables extensions/libxt_*.c, libipt_*.c), with and without ``-n``. Groups of a pattern stand in
its words as ``\\1``; ``{not1}`` is ``!`` where group 1 says so, ``{port1}`` the option of ``dpt`` or ``spt``, ``{flags1}`` TCP flags by name, ``{than}`` the
comparison of a TTL, ``{switches}`` the words of a group as options.
"""

from __future__ import annotations

import re

Patterns = tuple[tuple[re.Pattern[str], str], ...]


def patterns(*pairs: tuple[str, str]) -> Patterns:
    """Compiled patterns with their words."""
    return tuple((re.compile(pattern), words) for pattern, words in pairs)


PORTS = r"([\w:.-]+)"
EXTRAS = patterns(
    (r"/\* .*? \*/", ""),
    (r"\[goto\]", ""),
    (r"(tcp|udp|sctp) (dpt|spt)s?:(!?)" + PORTS, r"-m \1 {not3}--{port2} \4"),
    (r"(tcp|udp|sctp)(?= |$)", ""),
    (r"(dpt|spt)s?:(!?)" + PORTS, r"{not2}--{port1} \3"),
    (r"multiport (dports|sports|ports) +(!?) ?([\w,:.-]+)", r"-m multiport {not2}--\1 \3"),
    (r"flags:(!?)(0x[\da-fA-F]+)/(0x[\da-fA-F]+)", r"-m tcp {not1}--tcp-flags {flags2} {flags3}"),
    (r"flags:(!?)([A-Z,]+)/([A-Z,]+)", r"-m tcp {not1}--tcp-flags \2 \3"),
    (r"(! )?ctstate ([A-Z,]+)", r"-m conntrack {not1}--ctstate \2"),
    (r"(! )?ctstatus ([A-Z,]+)", r"-m conntrack {not1}--ctstatus \2"),
    (r"ctdir (ORIGINAL|REPLY)", r"-m conntrack --ctdir \1"),
    (r"(! )?ct(orig|repl)(src|dst)port ([\d:]+)", r"-m conntrack {not1}--ct\2\3port \4"),
    (r"(! )?ct(orig|repl)(src|dst) ([\da-fA-F.:/]+)", r"-m conntrack {not1}--ct\2\3 \4"),
    (r"(! )?ctproto (\d+)", r"-m conntrack {not1}--ctproto \2"),
    (r"(! )?state ([A-Z,]+)", r"-m state {not1}--state \2"),
    (r"(mark|connmark) match (! )?(0x[\da-fA-F]+(?:/0x[\da-fA-F]+)?)", r"-m \1 {not2}--mark \3"),
    (r"ADDRTYPE match (src|dst)-type (!?) ?([A-Z,]+) limit-(in|out)", r"-m addrtype {not2}--\1-type \3 --limit-iface-\4"),
    (r"ADDRTYPE match (src|dst)-type (!?) ?([A-Z,]+)", r"-m addrtype {not2}--\1-type \3"),
    (r"(! )?match-set (\S+) ([a-z,]+)", r"-m set {not1}--match-set \2 \3"),
    (r"statistic mode random (! )?probability ([\d.]+)", r"-m statistic --mode random {not1}--probability \2"),
    (r"statistic mode nth (! )?every (\d+) packet (\d+)", r"-m statistic --mode nth {not1}--every \2 --packet \3"),
    (r"icmp ?type (\d+)(?: code (\d+))?", r"-m icmp --icmp-type {icmp}"),
    (r"icmp !type (\d+)(?: code (\d+))?", r"-m icmp ! --icmp-type {icmp}"),
    (r"icmp (!?)([a-z]+(?:-[a-z]+)+)", r"-m icmp {not1}--icmp-type \2"),
    (r"limit: (?:up to|avg) (\S+) burst (\d+)", r"-m limit --limit \1 --limit-burst \2"),
    (r"source IP range (! )?(\S+)", r"-m iprange {not1}--src-range \2"),
    (r"destination IP range (! )?(\S+)", r"-m iprange {not1}--dst-range \2"),
    (r"PHYSDEV match((?: (?:! )?--physdev-[\w-]+(?: (?!--|!)\S+)?)+)", r"-m physdev\1"),
    (r"length (!?)(\d+(?::\d+)?)", r"-m length {not1}--length \2"),
    (r"TTL match TTL (==|!=|<|>) (\d+)", r"-m ttl {than} \2"),
    (r"HL match HL (==|!=|<|>) (\d+)", r"-m hl {than} \2"),
    (r"MAC ?(! ?)?([\da-fA-F]{2}(?::[\da-fA-F]{2}){5})", r"-m mac {not1}--mac-source \2"),
    (r"PKTTYPE (!?=) (\w+)", r"-m pkttype {not1}--pkt-type \2"),
    (
        r"policy match dir (in|out) pol (none|ipsec)(?: (?:! )?(?:strict|\[\d+\]|(?:reqid|spi|proto|mode|tunnel-dst|tunnel-src) \S+))*",
        r"-m policy --dir \1 --pol \2",
    ),
    (r"(! )?cgroup (\d+)", r"-m cgroup {not1}--cgroup \2"),
    (r"(! )?owner UID match (\d+(?:-\d+)?)(?= |$)", r"-m owner {not1}--uid-owner \2"),
    (r"(! )?owner GID match (\d+(?:-\d+)?)(?= |$)", r"-m owner {not1}--gid-owner \2"),
    (r"rpfilter((?: (?:loose|validmark|accept-local|invert))*)(?= |$)", r"-m rpfilter {switches}"),
    (r"recent: SET name: (\S+) side: source mask: (\S+)", r"-m recent --set --name \1 --mask \2 --rsource"),
    (
        r"recent: CHECK seconds: (\d+) reap name: (\S+) side: source mask: (\S+)",
        r"-m recent --rcheck --seconds \1 --reap --name \2 --mask \3 --rsource",
    ),
)
TARGETS = patterns(
    (r"to:(\S+)", "{to}"),
    (r"reject-with (\S+)", r"--reject-with \1"),
    (r"(?:MARK|CONNMARK) (or|and|xor) (0x[\da-fA-F]+)", r"--\1-mark \2"),
    (r"(?:MARK|CONNMARK) xset (0x[\da-fA-F]+/0x[\da-fA-F]+)", r"--set-xmark \1"),
    (r"(?:MARK|CONNMARK) set (0x[\da-fA-F]+)", r"--set-mark \1"),
    (r"CONNMARK (save|restore) mask (0x[\da-fA-F]+)", r"--\1-mark --nfmask \2 --ctmask \2"),
    (r"CONNMARK (save|restore)", r"--\1-mark"),
    (r"masq ports: (\S+)", r"--to-ports \1"),
    (r"redir ports (\S+)", r"--to-ports \1"),
    (r"random(-fully)?", r"--random\1"),
    (r"persistent(?= |$)", "--persistent"),
    (r"TCPMSS clamp to PMTU", "--clamp-mss-to-pmtu"),
    (r"TCPMSS set (\d+)", r"--set-mss \1"),
    (r"TPROXY redirect ([\da-fA-F.:]+):(\d+) mark (\S+)", r"--on-port \2 --on-ip \1 --tproxy-mark \3"),
    (r"CT notrack|NOTRACK", "--notrack"),
    (r"(add|del)-set (\S+) ([a-z,]+)", r"--\1-set \2 \3"),
    (r"exist(?= |$)", "--exist"),
    (r"timeout (\d+)", r"--timeout \1"),
    (r"CT (zone|zone-orig|zone-reply) (\d+|mark)", r"--\1 \2"),
    (r"TOS (set|and|or|xor) ?(0x[\da-fA-F]+(?:/0x[\da-fA-F]+)?|[A-Z][\w-]+)", r"--\1-tos \2"),
    (r"DSCP set (0x[\da-fA-F]+)", r"--set-dscp \1"),
    (r"NFQUEUE num (\d+)", r"--queue-num \1"),
    (r"NFQUEUE balance (\d+:\d+)", r"--queue-balance \1"),
    (r"(bypass|cpu-fanout)(?= |$)", r"--queue-\1"),
)
