"""One file with the output of several commands, as people paste it: parts, each with the command or the file name that it belongs to.

Understood: ``-- path --`` headers; lines with a shell prompt (``$ ip route``, ``[root@n1 ~]# iptables-save``, ``root@n1:~# ip netns exec x ip a``);
a first line that is the command itself; and the Markdown of cilium-bugtool. A part keeps its place: the lines before it are blank in its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from analyzer.capture.elsewhere import HERE, Elsewhere, followed
from analyzer.capture.limits import SECTIONS

HEADER = re.compile(r"^-- (?P<path>[^\n]*[^\s\n]) --[ \t]*$", re.MULTILINE)
PROMPT = re.compile(
    r"^(?P<prompt>\[(?:[\w.+-]+@)?(?P<bracket>[\w.-]+)[^\]\n]{0,200}\][ \t]?[$#]|(?:[\w.+-]+@)(?P<host>[\w.-]+)(?::[^\n$#]{0,200}| [^\n$#]{0,40} )[$#]"
    r"|(?P<short>[\w.-]+):[~/][^\s$#]{0,200} [$#]|(?:sh|bash)-[\d.]+[$#]|[~/][^\s$#]{0,200}[ \t]?[$#]|[$#❯])"
    r"[ \t]+(?P<command>(?:sudo[ \t]+)?[/\w.-]*[a-z][\w.-]*(?:[ \t]+[^\n]*)?)$",
    re.MULTILINE,
)
FENCED = re.compile(r"\A# (?P<command>[^\n]+)\n\s*```[^\n]*\n")
COMMENT_PROMPT = re.compile(
    r"# (sudo +)?(/\S*/)?(ip|ip6?tables(-\w+)*|bridge|tc|nft|ipset|sysctl|ss|netstat|conntrack|arp|route|brctl|ipvsadm|ethtool|kubectl|cat|crictl|docker|nsenter|ssh|oc|k3s|ovs-\w+|wg|exit)( |$)"
)
FILTERS = re.compile(r"[ \t]+(?P<filter>\||[12]?>|<|&&|;).*$")
CUTTING = re.compile(
    r"\|[ \t]*(?:sudo[ \t]+)?(?P<program>grep|egrep|head|tail|awk|sed|cut|jq|sort|uniq|less|more|column|tee|cat)\b(?P<rest>[^|]*)"
)
WHOLE = frozenset({"less", "more", "column", "tee", "cat", "sort"})
CAT = re.compile(r"^(?:cat|less|more)[ \t]+(?P<path>[^\s-]\S*)$")
LEFT = re.compile(
    r"(?:^|(?<=\n))(?:exit|logout|Connection to \S+ closed\.?|command terminated with exit code \d+)[ \t\r]*(?=\n|\Z)"
)
PLAIN = frozenset("$#❯")


@dataclass(frozen=True, slots=True)
class Part:
    """A part: its text at its lines, the command (or path) it belongs to, and where that command ran. ``cut``: the filter that
    it went through, so that what is missing in it says nothing."""

    text: str
    line: int
    command: str = ""
    path: str = ""
    place: Elsewhere = HERE
    cut: str = ""


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell that was opened in a session: where it runs, and the prompt before it, which ends it where its own must differ."""

    place: Elsewhere
    prompt: str
    remote: bool


def outdented(text: str) -> str:
    """The text without the blanks that all its lines begin with, as a block that was copied out of a page has them."""
    if text[:1] not in " \t\n" or not text.lstrip("\n")[:1].isspace():
        return text
    lines = [line for line in text.split("\n") if line.strip()]
    first = lines[0][: len(lines[0]) - len(lines[0].lstrip(" \t"))] if lines else ""
    while first and not all(line.startswith(first) for line in lines):
        first = first[:-1]
    return "\n".join(line.removeprefix(first) for line in text.split("\n")) if first else text


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
    """Parts below prompts; the shells that a session opens are followed."""
    shells: list[Shell] = []
    for prompt, following in zip(prompts, [*prompts[1:], None], strict=True):
        shown = prompt["prompt"]
        shells = still_open(shells, shown)
        host = prompt["bracket"] or prompt["host"] or prompt["short"] or ""
        words = prompt["command"].strip()
        found = part(
            text, prompt.end() + 1, following.start() if following else len(text), words, place=place_of(shells, shown, host)
        )
        if words in ("exit", "logout"):
            shells = shells[:-1]
            continue
        opened = followed(words, found.place)
        if opened.shell:
            shells = [*shells, Shell(opened.place, shown, opened.remote)]
        yield replace(found, text=LEFT.sub("", found.text))
        if LEFT.search(found.text):
            shells = shells[:-1]


def still_open(shells: list[Shell], prompt: str) -> list[Shell]:
    """The shells that the prompt can stand in: back at a prompt that tells its host, what was opened from there has ended."""
    for index, shell in enumerate(shells):
        if shell.remote and shell.prompt == prompt and prompt not in PLAIN:
            return shells[:index]
    return shells


def place_of(shells: list[Shell], prompt: str, host: str) -> Elsewhere:
    """Where a prompt stands: in the innermost shell, else on the host that it names."""
    if not shells:
        return Elsewhere(node=host)
    shell = shells[-1]
    if shell.remote and shell.prompt == prompt and prompt in PLAIN:
        return replace(
            shell.place, unknown=f"whether the prompt {prompt!r} is inside or outside the shell opened before is not told"
        )
    if host and shell.place.node and not (shell.place.namespace or shell.place.pod or shell.place.container):
        return replace(shell.place, node=host)
    return shell.place


def part(text: str, begin: int, end: int, command: str = "", path: str = "", place: Elsewhere = HERE) -> Part:
    """The part between two offsets; what the command says of where it ran, and through what its output went, is taken from it."""
    before = text.count("\n", 0, begin)
    ran = followed(FILTERS.sub("", command.strip()), place)
    if found := CAT.match(ran.text):
        path = found["path"].lstrip("/")
    return Part("\n" * before + text[begin:end], before + 1, ran.text, path, ran.place, cutting(command))


def cutting(command: str) -> str:
    """The filter that leaves a part of the output out, as it stands in the command; empty where there is none."""
    found = FILTERS.search(command)
    for item in CUTTING.finditer(found.group(0)) if found else ():
        if item["program"] not in WHOLE:
            return item.group(0).strip()
    return ""


def first_line(text: str) -> Part | None:
    """The whole text where its first line is the command that wrote the rest."""
    line, newline, _ = text.partition("\n")
    return part(text, len(line) + 1, len(text), line) if newline and len(line) < 200 and " " in line.strip() else None
