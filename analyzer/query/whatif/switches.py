"""``sysctl -w`` as an edit of facts."""

from __future__ import annotations

import re
from dataclasses import replace

from analyzer.facts.base import Fact
from analyzer.facts.system import SysctlFact
from analyzer.model.merging import other_names
from analyzer.parsers.sysctl import PARSER as SWITCHES
from analyzer.query.whatif.state import NodeState, Run

ALIASES = {"net.ipv4.ip_forward": "net.ipv4.conf.all.forwarding"}
# Writing one of these writes the switch of every device (inet_forward_change, addrconf_forward_change).
EVERY = re.compile(r"net\.(ipv[46])\.conf\.all\.forwarding")


def sysctl(state: NodeState, run: Run) -> NodeState:
    """``sysctl -w KEY=VALUE …``."""
    texts = [word for word in run.words if not word.startswith("-")]
    if not texts or not all("=" in text for text in texts):
        raise run.wrong("expected sysctl -w KEY=VALUE")
    for text in texts:
        wanted = run.read(SWITCHES, text, SysctlFact)
        key = ALIASES.get(wanted.key, wanted.key)
        names = {key, wanted.key, *other_names(key), *(alias for alias, real in ALIASES.items() if real == key)}
        state = state.without([fact for fact in state.of(SysctlFact, run.scope) if fact.key in names])
        state = everywhere(state, run, key, wanted.value).joined(replace(wanted, key=key))
    return state


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
