"""What nft leaves out of the rules that iptables made, and what it says of them that is not so. Rules are translated by the modules of iptables (src/xt.c
``xt_stmt_xlate``); as nft 1.0.6 with iptables 1.8.9 writes them, which Debian 12 has:

- libxtables is asked for a target once, and then for that of the other family, which says nothing: of ``ip6`` tables behind ``ip`` tables DNAT, SNAT, REDIRECT,
  MASQUERADE, TPROXY, DSCP and TCPMSS are empty, and the space before them stays. Of matches, those alone are empty that test nothing.
- ``CONNMARK --save-mark`` and ``--restore-mark`` with a mask keep the other bits, and ``--set-xmark`` sets bits behind its mask (xt_connmark.c ``connmark_tg_shift``).
- ``TOS`` is ``ip6 dscp set`` in tables of either family, without its mask and ECN's bits; so is DSCP in those of ``ip6``. nft itself writes few classes as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from analyzer.parsers._nft_commands import Line

TARGET = 'xt target "not shown"'
MASKED = re.compile(r"(?:meta mark set ct mark|ct mark set mark) and 0x[\da-f]+$")
SERVICE = re.compile(r"ip6 dscp set (?:ip6 dscp (?:and|or|xor) )?0x[\da-f]+$")
SET = re.compile(r"ct mark set ct mark (xor 0x[\da-f]+) (and 0x[\da-f]+)$")


def completed(lines: Iterable[Line], text: Sequence[str]) -> Iterator[Line]:
    """The rules of a chain, with what was left out and what is so; ``text``: the lines of the listing."""
    for line in lines:
        if "counter packets " not in line.text:
            yield line
            continue
        raw = text[line.number - 1].strip("\t\r") if line.number <= len(text) else ""
        left_out = raw[-1:] == " " and raw.strip() == line.text
        yield line._replace(text=f"{line.text} {TARGET}" if left_out else meant(line.text))


def meant(rule: str) -> str:
    """A rule about a connection's mark, or about the type of service, as iptables has it."""
    if "ip6 dscp set" in rule:
        return SERVICE.sub('xt target "TOS"', rule)
    if "ct mark" not in rule:
        return rule
    return MASKED.sub('xt target "CONNMARK"', SET.sub(r"ct mark set ct mark \2 \1", rule))
