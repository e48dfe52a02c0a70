"""A node does not tell its peers of its own pods' network.

## What it finds
Calico's blocks of a node, and kube-router's pod networks, which the node's own daemon has no route for, or which do not arrive at a peer with which a session is established: the peer's table lacks the
network, or the listing of what is exported to it. Said with what stops it where that is known: nothing is exported at all, a filter of the node, or the peer's. Pools with
`disableBGPExport`, or with VXLAN, are left out; so are tables of which a line was not understood.

## Why it matters
The peer has no route to those pods: it sends packets for them by its default route, or drops them.

## Example
    IPAMBlock 10.66.1.0/26, affinity host:n1          # n1 and n2 are Established, and n2's BIRD has no 10.66.1.0/26

## How to mend
Look at the filters (BGPFilter, IPPool `disableBGPExport`, `calico_export_to_bgp_peers` in bird_ipam.cfg) and at the static routes in bird_aggr.cfg; `birdcl show route export NAME` says what goes out.

## Sources
projectcalico/calico confd templates bird_ipam.cfg.template, bird_aggr.cfg.template; BIRD's manual, `show route export`.
"""

from collections.abc import Iterator

from analyzer.query.systems.sessions import DaemonTableFact, Own, Router, SessionFact, holders, holds, own_networks, whole
from analyzer.rule import Address, Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    held = holders(network)
    for router in network.routers.values():
        for own in own_networks(network, router.node):
            if any(not holds(table, own.prefix) for table in whole(router, own.prefix.family) if table.name != "rib"):
                yield RULE.finding(
                    own.at, f"{router.node}: {own.words} is not in the table of its own routing daemon: no peer hears of it"
                )
                continue
            for session in router.sessions:
                if session.established and session.peer is not None and session.peer.family == own.prefix.family:
                    yield from at_peer(network, held, router, session, own)


def at_peer(network: Network, held: dict[Address, str], router: Router, session: SessionFact, own: Own) -> Iterator[Finding]:
    """The network at one peer: what goes out to it, and what it has. A peer that is no node may be meant to hear nothing."""
    name = held.get(session.peer, "") if session.peer is not None else ""
    other = network.routers.get(name) if name != router.node else None
    there = [table for table in whole(other, own.prefix.family) if table.name != "rib"] if other is not None else []
    out = [
        table
        for table in router.tables
        if table.exported and table.exported in (session.name, str(session.peer)) and not table.lost
    ]
    stopped = why(session, out, own)
    if lacks(there, own) or (stopped and not there):
        yield RULE.finding(
            own.at,
            f"{router.node}: {own.words} does not reach the peer {session.peer}{f' ({name})' if name else ''}, with which a session is established: "
            + (stopped or "see the export filter of the session, and the import filter at the peer"),
            related=[(session.at, "the session"), *((table.at, f"the table of {name}") for table in there[:1])],
            certain=bool(name),
        )


def why(session: SessionFact, out: list[DaemonTableFact], own: Own) -> str:
    """What keeps the network from going out, in words; empty where it is not known."""
    if session.sent == 0 or session.outward == "REJECT":
        return "nothing is exported to it"
    return "its export filter leaves it out" if lacks(out, own) else ""


def lacks(tables: list[DaemonTableFact], own: Own) -> bool:
    """Whether there are tables, and none has the network."""
    return bool(tables) and not any(holds(table, own.prefix) for table in tables)


RULE = Rule("bgp-network-not-exported", Severity.ERROR, __doc__, check)
