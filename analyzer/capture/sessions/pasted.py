"""One text with the output of several commands, as people paste it: parts, each with the command or the file name that it belongs to.

Understood: ``-- path --`` and ``==> path <==`` headers (as ``head`` and ``tail`` write them); lines with a shell prompt; lines that are a command
themselves; the host before each output of Ansible; Markdown, of which what stands between fences is read; and the Markdown of cilium-bugtool. A part
keeps its place: the lines before it are blank in its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, zip_longest

from analyzer.capture.limits import SECTIONS
from analyzer.capture.recognise import by_name, command_name
from analyzer.capture.sessions.commands import main_piece, scattered
from analyzer.capture.sessions.elsewhere import HERE, Elsewhere, followed
from analyzer.capture.sessions.prompts import Prompt, prompts

HEADER = re.compile(r"^(?:-- (?P<path>[^\n]*[^\s\n]) --|==> (?P<tail>[^\n]*[^\s\n]) <==)[ \t]*$", re.MULTILINE)
FENCED = re.compile(r"\A# (?P<command>[^\n]+)\n\s*```[^\n]*\n")
FENCE = re.compile(r"^[ \t]{0,8}(?:```|~~~)[^\n`]*$", re.MULTILINE)
# The header of each host's output (ansible: plugins/callback/minimal.py).
ANSIBLE = re.compile(r"^(?P<host>[\w.-]+) \| (?:CHANGED|SUCCESS|FAILED) \| rc=\d+ >>[ \t]*$", re.MULTILINE)
BARE = re.compile(
    r"^(?:sudo[ \t]+)?(?:/\S*/)?(?:ip|ip6?tables(?:-legacy|-nft)?(?:-save)?|bridge|tc|nft|ipset|ss|netstat|conntrack|arp|route|brctl|ipvsadm|ifconfig|sysctl|wg"
    r"|ethtool|ebtables\S*|arptables\S*|vtysh|gobgp|weave|ls"
    r"|kubectl|oc|ssh|docker|podman|nerdctl|crictl|nsenter|calicoctl|birdcl6?|cilium|cilium-dbg|ovs-\w+|ovn-\w+|cat)(?:[ \t][^\n]{0,300})?$",
    re.MULTILINE,
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
HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
PLAIN = frozenset("$#❯λ")
SEVERAL = "several commands ran in one line: where what was printed here comes from is not told"


@dataclass(frozen=True, slots=True)
class Part:
    """A part: its text at its lines, the command (or path) it belongs to, and where that command ran. ``cut``: the filter that
    it went through, so that what is missing in it says nothing. ``typed``: the whole command; ``sure``: whether a host, a path or a shell tells the place.
    ``prose``: it stands outside of the fences of a document; ``opens``: it opened a shell, which greeted."""

    text: str
    line: int
    command: str = ""
    path: str = ""
    place: Elsewhere = HERE
    cut: str = ""
    typed: str = ""
    sure: bool = False
    prose: bool = False
    opens: bool = False


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell that was opened in a session: where it runs, and the prompt before it, which ends it where its own must differ."""

    place: Elsewhere
    prompt: str
    remote: bool


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a document: between fences, or the prose around them."""

    begin: int
    end: int
    fenced: bool


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
    if ANSIBLE.match(text.lstrip("\n")):
        return list(of_hosts(text))
    text = within_fences(text)
    blocks = list(blocks_of(text))
    typed = list(islice(prompts(text), SECTIONS))
    if len(blocks) > 1:
        return list(documented(text, blocks, typed))
    return [above(text, typed), *prompted(text, typed, blocks)] if typed else list(unprompted(text, blocks[0]))


def headed(text: str) -> Iterator[Part]:
    """Parts below ``-- path --``."""
    headers = list(HEADER.finditer(text))[:SECTIONS]
    for header, following in zip_longest(headers, headers[1:]):
        end = following.start() if following else len(text)
        yield part(text, header.end() + 1, end, path=header["path"] or header["tail"])


def of_hosts(text: str) -> Iterator[Part]:
    """What Ansible prints: each host's output below its name."""
    headers = list(ANSIBLE.finditer(text))[:SECTIONS]
    for header, following in zip_longest(headers, headers[1:]):
        end = following.start() if following else len(text)
        yield replace(part(text, header.end() + 1, end, place=Elsewhere(node=header["host"])), sure=True)


def blocks_of(text: str) -> Iterator[Block]:
    """The stretches between the fences of a document, and around them; one where it has none. A fence that nothing closes goes on to the end."""
    begin, fenced = 0, False
    for fence in FENCE.finditer(text):
        if fence.start() > begin or fenced:
            yield Block(begin, fence.start(), fenced)
        begin, fenced = min(fence.end() + 1, len(text)), not fenced
    yield Block(begin, len(text), fenced)


def within_fences(text: str) -> str:
    """The text with what stands between fences outdented, as a block in a list is indented; every line stays where it is."""
    made, at = [], 0
    for block in blocks_of(text):
        inside = text[block.begin : block.end]
        made += [text[at : block.begin], outdented(inside) if block.fenced else inside]
        at = block.end
    return "".join([*made, text[at:]])


def documented(text: str, blocks: list[Block], typed: list[Prompt]) -> Iterator[Part]:
    """The parts of a document with fences: its sessions, and what stands between fences without a command. Prose that looks like an output is told."""
    yield from prompted(text, typed, blocks)
    for block in blocks:
        first = next((one.begin for one in typed if block.begin <= one.begin < block.end), block.end)
        if block.fenced and first == block.end:
            bare = list(unprompted(text, block))
            yield from bare or [part(text, block.begin, block.end)]
        elif text[block.begin : first].strip():
            yield replace(part(text, block.begin, first), prose=not block.fenced)


def unprompted(text: str, block: Block) -> Iterator[Part]:
    """Parts below lines that are commands themselves, where a block has them. One that printed nothing may as well be a line of a script."""
    lines = [found for found in BARE.finditer(text, block.begin, block.end) if known_command(found.group(0))][:SECTIONS]
    for line, following in zip_longest(lines, lines[1:]):
        made = part(text, line.end() + 1, following.start() if following else block.end, line.group(0))
        if made.text.strip():
            yield made


def known_command(line: str) -> bool:
    """Whether a line is a command whose output can be read, also where it ran elsewhere."""
    ran = followed(FILTERS.sub("", main_piece(line)), HERE)
    return bool(by_name(command_name(ran.text))) or (ran.shell and ran.remote) or CAT.match(ran.text) is not None


def prompted(text: str, typed: list[Prompt], blocks: list[Block]) -> Iterator[Part]:
    """Parts below prompts; the shells that a session opens are followed."""
    shells: list[Shell] = []
    here = ""
    for prompt, following in zip_longest(typed, typed[1:]):
        shells = still_open(shells, prompt.shown)
        end = min(following.begin if following else len(text), end_of_block(prompt.end, blocks))
        place = place_of(shells, prompt.shown, prompt.host or here)
        found = part(text, prompt.end + 1, end, prompt.command, place=place)
        if prompt.command in ("exit", "logout"):
            shells = shells[:-1]
            continue
        if prompt.command == "hostname" and not shells and HOST.fullmatch(found.text.strip()):
            here = found.text.strip()
        opened = followed(prompt.command, found.place)
        if opened.shell:
            shells = [*shells, Shell(opened.place, prompt.shown, opened.remote)]
        sure = bool(prompt.host or shells or here) or found.place != HERE
        yield replace(found, text=LEFT.sub("", found.text), sure=sure, opens=opened.shell)
        if LEFT.search(found.text):
            shells = shells[:-1]


def above(text: str, typed: list[Prompt]) -> Part:
    """What stands above the first prompt: the output of a command that was not copied, which may have run elsewhere; or all, where the last prompt was copied too."""
    found = part(text, 0, typed[0].begin, place=Elsewhere(node=typed[0].host))
    if not any(prompt.command for prompt in typed):
        return found
    return replace(found, place=replace(found.place, unknown="its command was not copied: where it ran is not told"))


def end_of_block(at: int, blocks: list[Block]) -> int:
    """Where the block ends that a place is in."""
    return next(block.end for block in reversed(blocks) if block.begin <= at)


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
    first = main_piece(command)
    ran = followed(FILTERS.sub("", first.strip()), place)
    where = replace(ran.place, unknown=ran.place.unknown or SEVERAL) if scattered(command) else ran.place
    if found := CAT.match(ran.text):
        path = found["path"].lstrip("/")
    return Part("\n" * before + text[begin:end], before + 1, ran.text, path, where, cutting(first), typed=command)


def cutting(command: str) -> str:
    """The filter that leaves a part of the output out, as it stands in the command; empty where there is none."""
    found = FILTERS.search(command)
    for item in CUTTING.finditer(found.group(0)) if found else ():
        if item["program"] not in WHOLE:
            return item.group(0).strip()
    return ""
