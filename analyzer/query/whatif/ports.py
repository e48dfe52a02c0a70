"""``bridge link set`` as an edit of facts (bridge(8), net/bridge/br_netlink.c)."""

from __future__ import annotations

from dataclasses import replace

from analyzer.facts.neighbours import BridgePortFact
from analyzer.query.whatif.neighbours import master_of
from analyzer.query.whatif.state import NodeState, Run

SWITCHES = {
    "hairpin": "hairpin",
    "learning": "learning",
    "flood": "flood",
    "mcast_flood": "multicast_flood",
    "bcast_flood": "broadcast_flood",
    "isolated": "isolated",
    "proxy_arp": "proxy_arp",
    "neigh_suppress": "neighbour_suppression",
    "vlan_tunnel": "vlan_tunnel",
}
STATES = ("disabled", "listening", "learning", "forwarding", "blocking")
"""By their numbers (BR_STATE_DISABLED and on, linux/if_bridge.h)."""


def port_set(state: NodeState, run: Run) -> NodeState:
    """``bridge link set dev PORT [hairpin on|off] [state N|NAME] …``."""
    words = [word for word in run.words if word != "master"]
    if len(words) < 5 or words[:2] != ["set", "dev"] or not len(words) % 2:
        raise run.wrong(f"expected bridge link set dev PORT and {', '.join(SWITCHES)} on|off, or state N")
    port = words[2]
    master_of(state, run, port)
    for key, told in zip(words[3::2], words[4::2], strict=True):
        state = with_switch(state, run, port, key, told)
    return state


def with_switch(state: NodeState, run: Run, port: str, key: str, told: str) -> NodeState:
    """The state with one switch of a port set, in every text that tells of it."""
    if key == "state" and (told in STATES or (told.isdecimal() and int(told) < len(STATES))):
        new: dict[str, str | bool] = {"state": STATES[int(told)] if told.isdecimal() else told}
    elif key in SWITCHES and told in ("on", "off"):
        new = {SWITCHES[key]: told == "on"}
    else:
        raise run.wrong(f"{key} {told} is not understood: expected {', '.join(SWITCHES)} on|off, or state N")
    known = [fact for fact in state.of(BridgePortFact, run.scope) if fact.device == port]
    made = [replace(fact, at=run.at, **new) for fact in known]  # type: ignore[arg-type]
    return state.without(known).joined(*(made or [BridgePortFact(at=run.at, scope=run.scope, device=port, **new)]))  # type: ignore[arg-type]
