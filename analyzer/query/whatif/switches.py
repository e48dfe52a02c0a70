"""``sysctl -w`` as an edit of facts."""

from __future__ import annotations

import re
from dataclasses import replace

from analyzer.facts.base import Fact
from analyzer.facts.links import AddressFact, LinkFact
from analyzer.facts.neighbours import NeighbourFact
from analyzer.facts.routes import RouteFact
from analyzer.facts.system import SysctlFact
from analyzer.model.merging import other_names
from analyzer.parsers.sysctl import PARSER as SWITCHES
from analyzer.query.whatif.state import NodeState, Run

ALIASES = {"net.ipv4.ip_forward": "net.ipv4.conf.all.forwarding"}
# Writing one of these writes the switch of every device (inet_forward_change, addrconf_forward_change).
EVERY = re.compile(r"net\.(ipv[46])\.conf\.all\.forwarding")
DEFAULTS = re.compile(r"net\.ipv4\.conf\.default\.([a-z_]+)")
DISABLING = re.compile(r"net\.ipv6\.conf\.(.+)\.disable_ipv6")
LISTED = 50
"""So many switches are a listing of all, and not some that somebody asked for."""


def sysctl(state: NodeState, run: Run) -> NodeState:
    """``sysctl -w KEY=VALUE …``."""
    texts = [word for word in run.words if not word.startswith("-")]
    if not texts or not all("=" in text for text in texts):
        raise run.wrong("expected sysctl -w KEY=VALUE")
    for text in texts:
        wanted = run.read(SWITCHES, text, SysctlFact)
        refuse_unknown(state, run, wanted.key)
        key = ALIASES.get(wanted.key, wanted.key)
        names = {key, wanted.key, *other_names(key), *(alias for alias, real in ALIASES.items() if real == key)}
        old = next((fact.value for fact in state.of(SysctlFact, run.scope) if fact.key in names), None)
        if old != wanted.value and wanted.value == "0" and DISABLING.fullmatch(key) and old is not None:
            raise run.wrong("which addresses a device gets when IPv6 is on again is not followed")
        state = state.without([fact for fact in state.of(SysctlFact, run.scope) if fact.key in names])
        state = everywhere(state, run, key, wanted.value).joined(replace(wanted, key=key))
        state = without_six(like_default(state, run, key, old, wanted.value), run, key, wanted.value)
    return state


def refuse_unknown(state: NodeState, run: Run, key: str) -> None:
    """Refuses a switch that is not there: one of which no other of its like was captured, where switches were captured."""
    known = {fact.key for fact in state.of(SysctlFact, run.scope)}
    if len(known) < LISTED or {key, ALIASES.get(key, key), *other_names(key)} & known:
        return
    if not any(one.rpartition(".")[2] == key.rpartition(".")[2] for one in known):
        raise run.wrong(f"there is no switch {key} in the capture of {run.scope} (No such file or directory)")


def like_default(state: NodeState, run: Run, key: str, old: str | None, new: str) -> NodeState:
    """Devices on which no address and no switch of IPv4 was ever set follow the default (net/ipv4/devinet.c, devinet_copy_dflt_conf). Whether that is so
    cannot be told of one that has no address and the default's old value: its own is open then."""
    found = DEFAULTS.fullmatch(key)
    if found is None or old in (None, new):
        return state
    addressed = {fact.device for fact in state.of(AddressFact, run.scope) if fact.address.family == 4}
    each = re.compile(rf"net\.ipv4\.conf\.(?!all\.|default\.)(.+)\.{re.escape(found[1])}")
    followers = [
        fact
        for fact in state.of(SysctlFact, run.scope)
        if fact.value == old and (one := each.fullmatch(fact.key)) and one[1].replace("/", ".") not in addressed
    ]
    return state.without(followers)


def without_six(state: NodeState, run: Run, key: str, new: str) -> NodeState:
    """A device on which IPv6 is off has no addresses, routes and neighbours of it (net/ipv6/addrconf.c, addrconf_disable_change)."""
    found = DISABLING.fullmatch(key)
    if found is None or found[1] == "default" or new == "0":
        return state
    names = {link.name for link in state.of(LinkFact, run.scope)} if found[1] == "all" else {found[1].replace("/", ".")}
    each = re.compile(r"net\.ipv6\.conf\.(.+)\.disable_ipv6")

    def change(fact: Fact) -> Fact | None:
        if fact.scope != run.scope:
            return fact
        match fact:
            case AddressFact(address=address, device=device) | NeighbourFact(address=address, device=device):
                return None if address.family == 6 and device in names else fact
            case RouteFact(destination=destination, next_hops=ways) if destination.family == 6:
                return None if ways and all(hop.device in names for hop in ways) else fact
            case SysctlFact(key=other) if found[1] == "all" and each.fullmatch(other):
                return replace(fact, value=new, at=run.at)
            case _:
                return fact

    return state.changed(change)


def everywhere(state: NodeState, run: Run, key: str, new: str) -> NodeState:
    """The switches of the devices that follow the one for all."""
    found = EVERY.fullmatch(key)
    if found is None:
        return state
    each = re.compile(rf"net\.{found[1]}\.conf\..+\.forwarding")

    def change(fact: Fact) -> Fact:
        follows = isinstance(fact, SysctlFact) and fact.scope == run.scope and each.fullmatch(fact.key)
        return replace(fact, value=new, at=run.at) if follows and isinstance(fact, SysctlFact) else fact

    return state.changed(change)
