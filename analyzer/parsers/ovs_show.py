"""``ovs-vsctl show``: bridges, ports and interfaces (utilities/ovs-vsctl.c, ``cmd_show_tables``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.facts.base import Fact
from analyzer.facts.openvswitch import SwitchFact, SwitchPortFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._ovsdb import unquoted, value_of
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

HEAD = re.compile(r"(\s*)(Bridge|Port|Interface|Manager|Controller) (.+)")
COLUMN = re.compile(r"\s*([a-z_]+): (.*)")
PLAIN = re.compile(r"\s*([0-9a-f]{8}-[0-9a-f-]{27}|is_connected: \S+|ovs_version: .*|#.*)\s*")
OTHER = frozenset({"is_connected", "ovs_version", "status", "inactivity_probe", "cpu_idle", "system_type", "system_version"})


@dataclass(slots=True)
class Open:
    """What is being read: the bridge, the port, and the columns of the innermost of them."""

    kind: str = ""
    name: str = ""
    at: Span | None = None
    columns: dict[str, str] | None = None


def read(source: Source) -> Iterator[Fact | Gap]:
    """Facts in the order of the text."""
    bridge, port = Open(), Open()
    interface: Open = Open()
    for number, line in enumerate(source.text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = HEAD.fullmatch(line.rstrip())
            if found is None:
                column((interface, port, bridge), line)
                continue
            yield from finished(source, bridge, port, interface)
            if found[2] == "Interface":
                interface = begun(source, found, number)
                continue
            interface = Open()
            if found[2] == "Port":
                port = begun(source, found, number)
            else:
                yield from bridge_fact(source, bridge)
                bridge, port = begun(source, found, number), Open()
        except UNREADABLE as problem:
            yield gap(source, number, reason(problem))
    yield from finished(source, bridge, port, interface)
    yield from bridge_fact(source, bridge)


def begun(source: Source, found: re.Match[str], number: int) -> Open:
    """A record begins."""
    at = Span(source.path, number, found.start(3) + 1, number, found.end(3) + 1)
    return Open(found[2], unquoted(found[3].strip()), at, {})


def column(opened: tuple[Open, ...], line: str) -> None:
    """A column of the innermost record that is open."""
    found = COLUMN.fullmatch(line.rstrip())
    inner = next((one for one in opened if one.columns is not None), None)
    if found is not None and inner is not None and inner.columns is not None:
        inner.columns[found[1]] = found[2]
        return
    if PLAIN.fullmatch(line) or (found is not None and found[1] in OTHER):
        return
    refuse_errors(line)
    raise ValueError("Bridge, Port, Interface or one of their columns was expected")


def bridge_fact(source: Source, bridge: Open) -> Iterator[Fact]:
    """The bridge, once its columns are known."""
    if bridge.kind == "Bridge" and bridge.at is not None and bridge.columns is not None:
        told = {name: unquoted(value) for name, value in bridge.columns.items()}
        yield SwitchFact(
            at=bridge.at,
            scope=source.scope,
            name=bridge.name,
            fail_mode=told.get("fail_mode", ""),
            datapath=told.get("datapath_type", ""),
        )


def finished(source: Source, bridge: Open, port: Open, interface: Open) -> Iterator[Fact]:
    """The interface, once its columns are known."""
    if interface.at is None or interface.columns is None or bridge.kind != "Bridge":
        return
    told, of_port = interface.columns, port.columns or {}
    options, trunks = value_of(told.get("options", "")), value_of(of_port.get("trunks", ""))
    tag = of_port.get("tag", "")
    yield SwitchPortFact(
        at=interface.at,
        scope=source.scope,
        name=interface.name,
        bridge=bridge.name,
        port=port.name,
        kind=kind_of(told.get("type", "")),
        options=tuple(sorted(options.items())) if isinstance(options, dict) else (),
        tag=int(tag) if tag else None,
        trunks=tuple(int(item) for item in trunks if isinstance(item, str)) if isinstance(trunks, tuple) else (),
        vlan_mode=unquoted(of_port.get("vlan_mode", "")),
        error=unquoted(told.get("error", "")),
    )


def kind_of(text: str) -> str:
    """The type of an interface; ``system`` is a device of the host, as is none."""
    word = unquoted(text)
    return "" if word == "system" else word


PARSER = Parser(
    kind="ovs-show",
    read=read,
    names=(r"ovs-vsctl(_-\S+)*(_\d+)?_show", r"ovs-vsctl-show", r"(ovs[/_])?ovs_vsctl_show"),
    content=re.compile(r"^    Bridge \S+$(.|\n)*?^        Port ", re.MULTILINE),
)
