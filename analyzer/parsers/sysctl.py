"""``sysctl -a``, files of ``key = value`` and single files of ``/proc/sys/net``: the network's switches; others are passed over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.base import Fact
from analyzer.facts.system import SysctlFact
from analyzer.parsers import Parser, by_known_line, by_line, remembered
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

# Without br_netfilter, whose files these are, bridged frames pass no rules, as with 0 (br_netfilter_hooks.c, brnf_sysctl_init).
ABSENT = re.compile(r"^(?:sysctl: cannot stat|cat:) /proc/sys/(?P<key>net/bridge/bridge-nf-call-\w+): No such file or directory")
DEVICE = re.compile(r"-?net[./](ipv[46])[./]conf[./]([^.\s]+|[^/\s]+)[./]\w+ *=")
EVERY = frozenset({"all", "default"})
NUMBERS = re.compile(r"net\.(ipv[46]\.conf\..*\.(?!stable_secret$)|ipv4\.ip_forward$|bridge\.)")
NUMBER = re.compile(r"-?\d+")
ERRORS = re.compile(r"^(sysctl: |error: |.*permission denied)")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Keys of ``net.``; a key that could not be read (``sysctl: permission denied on key …``) is passed over, since it is not there."""
    if source.subject:
        yield from by_line(source, lambda line, at: value(source, line, at))
        return
    end = source.text.count("\n") + 1
    for item in by_known_line(source, known):
        if not isinstance(item, Gap):
            yield item
        elif item.at.line == end:
            yield replace(item, cut=True)
        else:
            found = DEVICE.match(source.line(item.at.line).strip())
            yield replace(item, device=found[2].replace("/", ".") if found and found[2] not in EVERY else "")


def value(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """What a file of ``/proc/sys`` holds: the value alone; its name is the key (proc_sysctl.c). ``conntrack -C`` prints one such value."""
    if absent := ABSENT.match(line):
        yield SysctlFact(at=at, scope=source.scope, key=absent["key"].replace("/", "."), value="0")
        return
    if ERRORS.match(line) or line.startswith("cat: "):
        return
    key = source.subject.replace(".", "\0").replace("/", ".").replace("\0", "/")
    if "=" in line or len(line) > 200:
        raise ValueError(f"expected the value of {key}, not {line.strip()[:60]!r}")
    yield SysctlFact(at=at, scope=source.scope, key=key, value=" ".join(line.split()))


@remembered
def known(line: str, subject: str) -> tuple[Fact, ...]:
    """What a line says, remembered."""
    return tuple(switch(Source("", line, subject=subject), line, Span("", 1)))


def switch(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``net.ipv4.conf.eth0/5.rp_filter = 1``; the form with slashes (``net/ipv4/conf/eth0.5/rp_filter``) is turned into the one with dots."""
    text = line.strip()
    if absent := ABSENT.match(text):
        yield SysctlFact(at=at, scope=source.scope, key=absent["key"].replace("/", "."), value="0")
        return
    if text[0] in "#;" or ERRORS.match(text):
        return
    refuse_errors(text)
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"expected 'key = value', not {text[:60]!r}")
    key = key.strip().lstrip("-")
    if key.startswith("net/"):
        key = key.replace(".", "\0").replace("/", ".").replace("\0", "/")
    if NUMBERS.match(key) and not NUMBER.fullmatch(value.strip()):
        raise ValueError(f"expected the number of {key[:60]}, not {value.strip()[:60]!r}")
    if key.startswith("net."):
        yield SysctlFact(at=at, scope=source.scope, key=key, value=" ".join(value.split()))


PARSER = Parser(
    kind="sysctl",
    read=read,
    names=(
        r"sysctl(_-\S+)*(_net(\S*)?)?",
        r"(sysctl_all|sysctla|sysctls|sysctl-a|sysctl--a)",
        r"(host/|rootfs/)?proc/sys/(?P<subject>net/\S+)",
    ),
    content=re.compile(r"^net[./](ipv4|ipv6|bridge|core|netfilter)[./]\S+\s*=", re.MULTILINE),
)
