"""One line of ``iptables-save``: its words, grouped by module, and the rule that they make."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from analyzer.facts.matches import FragmentMatch, InterfaceMatch, Match, ProtocolMatch, Side, UnknownMatch
from analyzer.facts.netfilter import Pass, Target, UnknownTarget
from analyzer.parsers import UNREADABLE, reason
from analyzer.parsers._iptables_addresses import address_match, protocol
from analyzer.parsers._iptables_matches import matches_of, unknown
from analyzer.parsers._iptables_options import Option
from analyzer.parsers._iptables_targets import target_of

TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
COUNTERS = re.compile(r"^\[\d+:\d+\]\s+")
FLAGS = frozenset(
    {"syn", "random", "random-fully", "persistent", "rcheck", "update", "set", "remove", "rsource", "rdest", "reap", "rttl", "loose", "invert", "validmark",
     "accept-local", "physdev-is-in", "physdev-is-out", "physdev-is-bridged", "notrack", "save-mark", "restore-mark", "clamp-mss-to-pmtu", "limit-iface-in",
     "limit-iface-out", "transparent", "nowildcard", "restore-skmark", "socket-exists", "queue-bypass", "queue-cpu-fanout", "ipvs", "return-nomatch", "log-tcp-sequence",
     "log-tcp-options", "log-ip-options", "log-uid", "log-macdecode", "checksum-fill", "exist", "next", "strict", "kerneltz", "contiguous", "rfc", "tcp-option-any", "ecn-tcp-remove", "ecn-tcp-cwr", "ecn-tcp-ece", "fragres", "fragfirst", "fragmore", "fraglast", "rt-0-res", "ahres"}
)  # fmt: skip
OF_PROTOCOL = frozenset(
    {
        "sport",
        "source-port",
        "dport",
        "destination-port",
        "syn",
        "tcp-flags",
        "tcp-option",
        "chunk-types",
        "icmp-type",
        "icmpv6-type",
    }
)
PROTOCOLS = frozenset({"tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmp6", "icmpv6", "ipv6-icmp"})
TWO = frozenset({"tcp-flags", "chunk-types", "match-set", "add-set", "del-set", "map-set"})
LONG = {"--source": "-s", "--src": "-s", "--destination": "-d", "--dst": "-d", "--in-interface": "-i", "--out-interface": "-o", "--protocol": "-p",
        "--proto": "-p", "--match": "-m", "--jump": "-j", "--goto": "-g", "--fragment": "-f", "--append": "-A", "--insert": "-I"}  # fmt: skip


@dataclass(slots=True)
class Group:
    """The options of one match module."""

    module: str
    options: list[Option] = field(default_factory=list)


@dataclass(slots=True)
class Draft:
    """A rule while its words are read."""

    family: int
    matches: list[Match] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    target: str = ""
    goto: bool = False
    target_options: list[Option] = field(default_factory=list)
    protocol: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A rule's parts; ``problem`` is why some of it is an UnknownMatch or UnknownTarget."""

    matches: tuple[Match, ...]
    target: Target
    comment: str
    problem: str


def words_of(line: str) -> list[str]:
    """The words; quoted ones lose their quotes and escapes, and are marked by a leading NUL when they begin with a dash."""
    if '"' not in line:
        return line.split()
    result = []
    for found in TOKEN.finditer(line):
        quoted, plain = found.group(1), found.group(2)
        text = re.sub(r"\\(.)", r"\1", quoted) if plain is None else plain
        result.append("\0" + text if plain is None and text[:1] in ("-", "!", "") else text)
    return result


@lru_cache(maxsize=1 << 16)
def parse_rule(line: str, family: int) -> Parsed:
    """The rule of a line such as ``-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 80 -j ACCEPT``; never raises."""
    draft = Draft(family)
    try:
        collect(draft, words_of(COUNTERS.sub("", line)))
    except UNREADABLE as problem:
        return Parsed((UnknownMatch(line),), UnknownTarget(line), "", f"the rule could not be read: {reason(problem)}")
    return finish(draft)


def collect(draft: Draft, words: list[str]) -> None:
    """Sorts the words into matches, module groups and the target."""
    position, negated = 0, False
    while position < len(words):
        word = LONG.get(words[position], words[position]) if words[position] != "--proto" or not of_policy(draft) else "--proto"
        if word == "!":
            negated, position = True, position + 1
            continue
        if word == "-f":
            draft.matches.append(FragmentMatch(negated))
            position += 1
        elif word in ("-4", "-6"):
            position += 1
        elif word == "-c":
            position += 3
        elif word[:2] == "--":
            position = long_option(draft, words, position, negated)
        elif word[:1] == "-":
            position = short_option(draft, word, words, position, negated)
        elif word == "[unsupported":
            raise ValueError("the kernel's revision of a match is not supported by the tool that printed the rule")
        else:
            raise ValueError(f"unexpected word {word!r}")
        negated = False


def of_policy(draft: Draft) -> bool:
    """Whether the options are the match policy's, which has a ``--proto`` of its own."""
    return bool(draft.groups) and draft.groups[-1].module == "policy" and not draft.target


def short_option(draft: Draft, word: str, words: list[str], position: int, negated: bool) -> int:
    """``-s``, ``-p``, ``-m``, ``-j`` and their like; the old form has ``!`` before the value. Returns the next position."""
    if words[position + 1] == "!":
        negated, position = True, position + 1
    value = words[position + 1].lstrip("\0")
    match word:
        case "-A" | "-I":
            pass
        case "-s" | "-d":
            side = Side.SOURCE if word == "-s" else Side.DESTINATION
            if (found := address_match(side, value, negated, draft.family)).mask or negated:
                draft.matches.append(found)
        case "-i" | "-o":
            draft.matches.append(InterfaceMatch(word == "-i", value.removesuffix("+"), value.endswith("+"), negated))
        case "-p":
            draft.protocol = value
            if (chosen := protocol(value)) or negated:
                draft.matches.append(ProtocolMatch(chosen, negated))
        case "-m":
            draft.groups.append(Group(value))
        case "-j" | "-g":
            draft.target, draft.goto = value, word == "-g"
        case _:
            raise ValueError(f"the option {word} is not known")
    return position + 2


def long_option(draft: Draft, words: list[str], position: int, negated: bool) -> int:
    """A module's or target's option with its values; returns the next position."""
    name, equals, value = words[position][2:].partition("=")
    position += 1
    values: list[str] = [value] if equals else []
    if not equals and name not in FLAGS:
        if position < len(words) and words[position] == "!":
            negated, position = True, position + 1
        wanted = 2 if name in TWO else 1
        while (
            len(values) < wanted
            and position < len(words)
            and not (words[position][:1] == "-" and not words[position][1:2].isdigit())
        ):
            values.append(words[position].lstrip("\0"))
            position += 1
    place(draft, Option(name, tuple(values), negated))
    return position


def place(draft: Draft, option: Option) -> None:
    """Gives an option to the target, to the last module, or to the module that the protocol implies; where people write rules, a protocol's options
    may also stand behind other modules."""
    if draft.target:
        draft.target_options.append(option)
        return
    if option.name == "comment":
        draft.comment = option.value
        return
    if option.name in OF_PROTOCOL and draft.protocol and draft.groups and draft.groups[-1].module not in PROTOCOLS:
        own = next((group for group in draft.groups if group.module == draft.protocol), None)
        if own is not None:
            own.options.append(option)
            return
        draft.groups.append(Group(draft.protocol))
    if not draft.groups or (draft.groups[-1].module == "comment" and draft.protocol):
        draft.groups.append(Group(draft.protocol))
    draft.groups[-1].options.append(option)


def finish(draft: Draft) -> Parsed:
    """The rule; what is not understood becomes UnknownMatch or UnknownTarget with the reason."""
    problems: list[str] = []
    matches = list(draft.matches)
    for group in draft.groups:
        try:
            made = matches_of(group.module, group.options, draft.family)
            problems += [f"the match {item.text!r} is not modelled" for item in made if isinstance(item, UnknownMatch)]
            matches += made
        except UNREADABLE as problem:
            problems.append(reason(problem))
            matches.append(unknown(group.module, group.options))
    target: Target = Pass("")
    if draft.target:
        try:
            target = target_of(draft.target, draft.target_options, draft.goto, draft.family)
        except UNREADABLE as problem:
            problems.append(f"the target {draft.target}: {reason(problem)}")
            target = UnknownTarget(draft.target)
    if isinstance(target, UnknownTarget) and not problems:
        problems.append(f"the target {target.text!r} is not modelled")
    return Parsed(tuple(matches), target, draft.comment, "; ".join(problems))
