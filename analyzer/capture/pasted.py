"""One file with the output of several commands, as people paste it: parts, each with the command or the file name that it belongs to.

Understood: ``-- path --`` headers; lines with a shell prompt (``$ ip route``, ``[root@n1 ~]# iptables-save``, ``root@n1:~# ip netns exec x ip a``);
a first line that is the command itself; and the Markdown of cilium-bugtool. A part keeps its place: the lines before it are blank in its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.capture.limits import SECTIONS

HEADER = re.compile(r"^-- (?P<path>[^\n]*[^\s\n]) --[ \t]*$", re.MULTILINE)
PROMPT = re.compile(
    r"^(?:\[(?:[\w.+-]+@)?(?P<bracket>[\w.-]+)[^\]\n]{0,200}\][ \t]?[$#]|(?:[\w.+-]+@)(?P<host>[\w.-]+):[^\n$#]{0,200}[$#]"
    r"|(?:sh|bash)-[\d.]+[$#]|[$#])[ \t]+(?P<command>(?:sudo[ \t]+)?[/\w.-]*[a-z][\w.-]*(?:[ \t]+[^\n]*)?)$",
    re.MULTILINE,
)
FENCED = re.compile(r"\A# (?P<command>[^\n]+)\n\s*```[^\n]*\n")
COMMENT_PROMPT = re.compile(
    r"# (sudo +)?(/\S*/)?(ip|ip6?tables(-\w+)*|bridge|tc|nft|ipset|sysctl|ss|netstat|conntrack|arp|route|brctl|ipvsadm|ethtool|kubectl|cat|crictl|docker|nsenter|ssh|oc|k3s|ovs-\w+|wg)( |$)"
)
FILTERS = re.compile(r"[ \t]+(?:\||[12]?>|<|&&|;).*$")
NETNS = re.compile(r"^ip[ \t]+(?:netns[ \t]+exec|-n(?:etns)?)[ \t]+(?P<namespace>\S+)[ \t]+(?P<rest>.+)$")
NSENTER = re.compile(r"^nsenter[ \t]+(?P<options>(?:-\S+[ \t]+(?:\d+[ \t]+)?)*)(?P<rest>[a-z/].*)$")
NSENTER_NAME = re.compile(r"--net=\S*?(?P<name>[^/\s]+)(?=\s|$)|(?:-t[ \t]*|--target[= \t])(?P<pid>\d+)")
REMOTE = re.compile(r"^(?:ssh|docker[ \t]+exec)[ \t]+(?:-\S+[ \t]+)*(?:\w+@)?(?P<node>[\w.-]+)[ \t]+(?:--[ \t]+)?(?P<rest>.+)$")
CAT = re.compile(r"^cat[ \t]+(?P<path>/\S+)$")


@dataclass(frozen=True, slots=True)
class Part:
    """A part: its text at its lines, the command (or path) it belongs to, and the node and namespace where that says so."""

    text: str
    line: int
    command: str = ""
    path: str = ""
    node: str = ""
    namespace: str = ""


def parts(text: str) -> list[Part]:
    """The parts of a pasted text; empty where it is not one."""
    if HEADER.search(text[:4096]):
        return list(headed(text))
    found = FENCED.match(text)
    if found:
        end = text.find("\n```", found.end())
        return [part(text, found.end(), len(text) if end < 0 else end, found["command"])]
    prompts = [match for match in PROMPT.finditer(text) if really(match)]
    if prompts:
        return list(prompted(text, prompts[:SECTIONS]))
    return []


def really(match: re.Match[str]) -> bool:
    """Whether a line that begins with ``#`` is a prompt and no comment: only before a command of networking."""
    line = match.group(0)
    return not line.startswith("#") or bool(COMMENT_PROMPT.match(line))


def headed(text: str) -> Iterator[Part]:
    """Parts below ``-- path --``."""
    headers = list(HEADER.finditer(text))[:SECTIONS]
    for header, following in zip(headers, [*headers[1:], None], strict=True):
        yield part(text, header.end() + 1, following.start() if following else len(text), path=header["path"])


def prompted(text: str, prompts: list[re.Match[str]]) -> Iterator[Part]:
    """Parts below prompts."""
    for prompt, following in zip(prompts, [*prompts[1:], None], strict=True):
        host = prompt["bracket"] or prompt["host"] or ""
        yield part(text, prompt.end() + 1, following.start() if following else len(text), prompt["command"], node=host)


def part(text: str, begin: int, end: int, command: str = "", path: str = "", node: str = "") -> Part:
    """The part between two offsets; what the command says of node and namespace is taken from it."""
    before = text.count("\n", 0, begin)
    namespace = ""
    command = FILTERS.sub("", re.sub(r"^sudo[ \t]+(-\S+[ \t]+)*", "", command.strip()))
    if found := REMOTE.match(command):
        node, command = found["node"], found["rest"].strip("'\"")
    if found := NETNS.match(command):
        namespace, rest = found["namespace"], found["rest"]
        command = rest if command.startswith(("ip netns", "ip  ")) else f"ip {rest}"
    elif found := NSENTER.match(command):
        name = NSENTER_NAME.search(found["options"])
        namespace, command = (name["name"] or f"process-{name['pid']}") if name else "", found["rest"]
    if found := CAT.match(command):
        path = found["path"].lstrip("/")
    return Part("\n" * before + text[begin:end], before + 1, command, path, node, namespace)


def first_line(text: str) -> Part | None:
    """The whole text where its first line is the command that wrote the rest."""
    line, newline, _ = text.partition("\n")
    return part(text, len(line) + 1, len(text), line) if newline and len(line) < 200 and " " in line.strip() else None
