"""The prompts of shells, and the command that stands behind one.

Known: those of Bourne shells with a host (``[root@n1 ~]#``, ``root@n1:~#``, ``n1:~ #``, ``user@n1 ~ %``), without one (``sh-4.4#``, ``/ #``, ``$``),
of fish (``root@n1 /etc#``, ``me@n1 ~>``), of PowerShell and cmd (``PS C:\\>``), and arrows. A line that begins with ``#`` is a prompt only before a
command of networking, as comments begin so too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

STRONG = (
    r"(?:\([^()\n]{1,60}\)[ \t]*)?(?:"
    r"\[(?:[\w.+-]+@)?(?P<bracket>[\w.-]+)[^\]\n]{0,200}\][ \t]?[$#%]"
    r"|\[[\w.+-]+@(?P<bare>[\w.-]+)[ :][^\]\n]{0,200}\]"
    r"|[\w.+-]+@(?P<host>[\w.-]+)(?::[^\n$#]{0,200}[$#]|:[~/][^\s$#>]{0,200}>|[ ][^\n$#%]{0,40}[ ][$#%]|[ ][~/][^\s$#>]{0,200}[#>])"
    r"|(?P<short>[\w.-]+):[~/][^\s$#]{0,200}[ ][$#]"
    r"|(?P<flat>[\w.-]+)[ ]~[^\s$#%]{0,200}[ ][$#%]"
    r"|PS[ ](?:[A-Za-z]:)?[\\/~][^>\n]{0,200}>|[A-Za-z]:\\[^>\n]{0,200}>)"
)
PLAIN_PROMPT = r"(?:sh|bash)-[\d.]+[$#]|[~/][^\s$#]{0,200}[ \t]?[$#]|➜[ \t]+\S+(?:[ \t]+git:\([^)\n]*\))?(?:[ \t]+✗)?|[$❯λ]"
BEHIND_STRONG = r"(?:(?<=\])|[ \t]+)(?P<command>\S[^\n]*)?"
PROMPT = re.compile(
    rf"^(?:(?P<strong>{STRONG})(?:{BEHIND_STRONG})?[ \t]*$"
    rf"|(?P<plain>{PLAIN_PROMPT})(?:[ \t]+(?P<words>\S[^\n]*))?[ \t]*$"
    r"|(?P<root>#)[ \t]+(?P<rooted>[^\n]+)$)",
    re.MULTILINE,
)
COMMENT_PROMPT = re.compile(
    r"# (sudo +)?(/\S*/)?(ip|ip6?tables(-\w+)*|bridge|tc|nft|ipset|sysctl|ss|netstat|conntrack|arp|route|brctl|ipvsadm|ethtool|kubectl|cat|crictl|docker|nsenter|ssh|oc|k3s|ovs-\w+|ovn-\w+|birdcl6?|vtysh|calicoctl|cilium(-dbg)?|wg|ifconfig|chroot|exit)( |$)"
)
COMMAND = re.compile(r"(?:\w+=\S*[ \t]+)*[\"'(./\w-]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A line with a prompt: the prompt itself, the host that it names, the command behind it, and where the line begins and ends."""

    shown: str
    host: str
    command: str
    begin: int
    end: int


def prompts(text: str) -> Iterator[Prompt]:
    """The lines of a text that are prompts. One without a command ends what stood before it."""
    for found in PROMPT.finditer(text):
        shown = found["strong"] or found["plain"] or found["root"]
        words = found["command"] or found["words"] or found["rooted"] or ""
        if (found["root"] and not COMMENT_PROMPT.match(found.group(0))) or (found["plain"] and not typed(words, shown)):
            continue
        host = found["bracket"] or found["bare"] or found["host"] or found["short"] or found["flat"] or ""
        yield Prompt(shown, host, words.strip(), found.start(), found.end())


def typed(words: str, shown: str) -> bool:
    """Whether what stands behind a prompt that tells no host is a command, or nothing at all."""
    return COMMAND.match(words) is not None if words else shown[-2:-1] in ("", " ")
