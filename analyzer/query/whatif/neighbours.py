"""``ip neigh`` and ``bridge fdb`` as edits of facts."""

from __future__ import annotations

from dataclasses import replace

from analyzer.facts.links import LinkFact
from analyzer.facts.neighbours import ForwardingFact, NeighbourFact
from analyzer.parsers.bridge_fdb import PARSER as FORWARDING
from analyzer.parsers.ip_neigh import PARSER as NEIGHBOURS
from analyzer.query.whatif.routes import VERBS
from analyzer.query.whatif.state import NodeState, Run, taken, value

STATES = frozenset({"permanent", "static", "dynamic", "local"})


def neighbour(state: NodeState, run: Run) -> NodeState:
    """``ip neigh add|replace|change|del ADDRESS dev DEVICE [lladdr MAC] [nud STATE]``; an entry that is made is permanent where it does not say."""
    if run.words[:1] in (("flush",), ("f",)):
        return forgotten(state, run)
    verb = VERBS.get(run.words[0]) if run.words else None
    words = run.words[1:]
    if verb not in ("add", "replace", "change", "del") or not words or value(words, "dev") is None:
        raise run.wrong("expected ip neigh add, replace, change or del ADDRESS dev DEVICE lladdr MAC")
    nud = (value(words, "nud") or "permanent").upper()
    wanted = run.read(NEIGHBOURS, " ".join((*taken(words, "nud"), nud)), NeighbourFact)
    same = [
        fact
        for fact in state.of(NeighbourFact, run.scope)
        if (fact.address, fact.device, fact.proxy) == (wanted.address, wanted.device, wanted.proxy)
    ]
    if verb in ("del", "change") and not same:
        raise run.wrong(f"there is no entry for {wanted.address} on {wanted.device} (No such file or directory)")
    if verb == "add" and same:
        raise run.wrong(f"the kernel refuses it (File exists): {same[0].at}")
    if verb != "del" and wanted.mac is None and not wanted.proxy:
        raise run.wrong("expected lladdr MAC")
    rest = state.without(same)
    return rest if verb == "del" else rest.joined(wanted)


def forgotten(state: NodeState, run: Run) -> NodeState:
    """``ip neigh flush all|dev DEVICE|ADDRESS``: what was learnt; entries that are permanent stay (ip/ipneigh.c, do_show_or_flush)."""
    device = value(run.words, "dev")
    targets = [word for word in taken(run.words[1:], "dev") if word not in ("all", "to")]
    if not (device or len(run.words) > 1):
        raise run.wrong("expected ip neigh flush all, or flush dev DEVICE")

    def gone(fact: NeighbourFact) -> bool:
        meant = device in (None, fact.device) and (not targets or str(fact.address) in targets)
        return meant and not fact.proxy and not fact.states & {"PERMANENT", "NOARP"}

    return state.without([fact for fact in state.of(NeighbourFact, run.scope) if gone(fact)])


def forwarding(state: NodeState, run: Run) -> NodeState:
    """``bridge fdb add|append|replace|del MAC dev DEVICE [dst ADDRESS] [self|master] …``: the device's own list, unless ``master`` is said."""
    verb = VERBS.get(run.words[0]) if run.words else None
    words = run.words[1:]
    device = value(words, "dev")
    if verb not in ("add", "append", "replace", "del") or not words or device is None:
        raise run.wrong("expected bridge fdb add, append, replace or del MAC dev DEVICE [dst ADDRESS] [self|master]")
    own = "master" not in words
    plain = [word for word in words if word not in ("master", "self", "local")]
    flags = [] if STATES.intersection(plain) else ["permanent"]
    wanted = run.read(FORWARDING, " ".join([*plain, *flags, *(["self"] if own else [])]), ForwardingFact)
    if not own:
        wanted = replace(wanted, master=master_of(state, run, device))
    same = [fact for fact in state.of(ForwardingFact, run.scope) if key(fact) == key(wanted)]
    exact = [fact for fact in same if fact.destination == wanted.destination]
    if verb == "del":
        if not (gone := exact if wanted.destination else same):
            raise run.wrong("there is no such entry (No such file or directory)")
        return state.without(gone)
    if (verb == "add" and same) or (verb == "append" and exact):
        raise run.wrong(f"the kernel refuses it (File exists): {same[0].at}")
    return (state.without(same) if verb == "replace" else state).joined(wanted)


def key(fact: ForwardingFact) -> tuple[object, ...]:
    """What an entry is found by."""
    return fact.mac, fact.device, fact.own, fact.vlan, fact.vni


def master_of(state: NodeState, run: Run, device: str) -> str:
    """The bridge that a device is a port of."""
    for link in state.of(LinkFact, run.scope):
        if link.name == device and link.master:
            return link.master
    raise run.wrong(f"{device} is no port of a bridge in the capture")
