"""``nmcli device status`` and ``networkctl list``: which devices NetworkManager and systemd-networkd manage.

Columns by their titles. Of NetworkManager ``connected (externally)`` is a device that others set up and it leaves alone (nmcli(1), NMDeviceStateReason), as ``unmanaged`` ones;
of networkd SETUP says it (networkctl(1): unmanaged, pending, initialized, configuring, configured, failed, linger).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.system import ManagedDeviceFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.source import Gap, Source, Span

TITLES = re.compile(r"DEVICE\s+TYPE\s+STATE\s+CONNECTION\b|IDX\s+LINK\s+TYPE\s+OPERATIONAL\s+SETUP\b")
OF_NETWORKD = re.compile(r"\s*\d+\s+(?P<device>\S+)\s+\S+\s+[\w-]+\s+(?P<state>[\w-]+)\s*")
OF_MANAGER = re.compile(r"(?P<device>\S+)\s{2,}\S+\s{2,}(?P<state>[a-z]+(?: \([^)]*\))?)\s{2,}(?P<by>\S.*?)\s*")
TAIL = re.compile(r"\s*\d+ links listed\.\s*")
SETTING = frozenset({"configuring", "configured", "failed"})
TAKEN = ("connected", "connecting", "deactivating")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Devices by line, below a line of titles."""
    form: re.Pattern[str] | None = None
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip()
        if TITLES.match(line.strip()):
            form = OF_NETWORKD if line.strip().startswith("IDX") else OF_MANAGER
        elif line.strip() and not TAIL.fullmatch(line):
            try:
                yield device(source, line, form, Span(source.path, number))
            except UNREADABLE as problem:
                yield gap(source, number, reason(problem))


def device(source: Source, line: str, form: re.Pattern[str] | None, at: Span) -> Fact:
    """One device."""
    found = form.fullmatch(line) if form is not None else None
    if found is None:
        raise ValueError(f"expected a device below titles such as DEVICE TYPE STATE CONNECTION, not {line.strip()[:60]!r}")
    state = found["state"]
    if form is OF_NETWORKD:
        return ManagedDeviceFact(
            at=at, scope=source.scope, device=found["device"], manager="systemd-networkd", state=state, managed=state in SETTING
        )
    managed = state.startswith(TAKEN) and "(externally)" not in state
    by = "" if found["by"] == "--" else found["by"]
    return ManagedDeviceFact(
        at=at, scope=source.scope, device=found["device"], manager="NetworkManager", state=state, managed=managed, profile=by
    )


PARSER = Parser(
    kind="device-managers",
    read=read,
    names=(
        r"nmcli(_-\S+)*_d(e|ev|evi|evic|evice)?(_s(t|ta|tat|tatu|tatus)?)?",
        r"networkctl(_--\S+)*(_list)?(_--\S+)*",
    ),
    content=re.compile(r"\A\s*(?:DEVICE\s+TYPE\s+STATE\s+CONNECTION\b|IDX\s+LINK\s+TYPE\s+OPERATIONAL\s+SETUP\b)"),
)
