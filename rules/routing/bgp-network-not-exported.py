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

from analyzer.query.systems.sessions import Listed, Own, Router, SessionFact, holders, listed, own_networks
from analyzer.rule import Address, Finding, Network, Rule, Severity

UNKNOWN = "see the export filters of the sessions, and the import filters at the peers"
Tables = dict[str, tuple[Listed, ...]]


def check(network: Network) -> Iterator[Finding]:
    if not network.routers:
        return
    own_of = own_networks(network)
    held = holders(network) if own_of else {}
    tables: Tables = {
        node: tuple(one for one in listed(router) if one.table.name != "rib") for node, router in network.routers.items()
    }
    for node, networks in own_of.items():
        for own in networks:
            if any(own.prefix not in one.networks for one in main(tables, node, own)):
                yield RULE.finding(
                    own.at, f"{node}: {own.words} is not in the table of its own routing daemon: no peer hears of it"
                )
            else:
                yield from at_peers(held, tables, network.routers[node], own)


def main(tables: Tables, node: str, own: Own) -> list[Listed]:
    """The whole tables of a node that are about the family of a network."""
    return [one for one in tables.get(node, ()) if one.whole and one.of_family(own.prefix.family)]


def at_peers(held: dict[Address, str], tables: Tables, router: Router, own: Own) -> Iterator[Finding]:
    """The peers that do not have the network, one finding for each reason. A peer that is no node may be meant to hear nothing."""
    found: dict[tuple[str, bool], list[SessionFact]] = {}
    for session in router.sessions:
        if session.established and session.peer is not None and session.peer.family == own.prefix.family:
            name = held.get(session.peer, "")
            there = main(tables, name, own) if name != router.node else []
            stopped = why(session, tables[router.node], own)
            if lacks(there, own) or (stopped and not there):
                found.setdefault((stopped or UNKNOWN, bool(name)), []).append(session)
    for (reason, node), sessions in sorted(found.items()):
        first = sessions[0]
        name = held.get(first.peer, "") if first.peer is not None else ""
        others = f" and {len(sessions) - 1} others" if len(sessions) > 1 else ""
        yield RULE.finding(
            own.at,
            f"{router.node}: {own.words} does not reach the peer {first.peer}{f' ({name})' if name else ''}{others}, with which sessions are established: {reason}",
            related=[(session.at, f"the session with {session.peer}") for session in sessions[:3]],
            certain=node,
        )


def why(session: SessionFact, tables: tuple[Listed, ...], own: Own) -> str:
    """What keeps the network from going out, in words; empty where it is not known."""
    if session.sent == 0 or session.outward == "REJECT":
        return "nothing is exported to it"
    out = [one for one in tables if one.table.exported and one.table.exported in (session.name, str(session.peer))]
    return "the export filter leaves it out" if lacks(out, own) else ""


def lacks(tables: list[Listed], own: Own) -> bool:
    """Whether there are tables, and none has the network."""
    return bool(tables) and not any(own.prefix in one.networks for one in tables)


RULE = Rule("bgp-network-not-exported", Severity.ERROR, __doc__, check)
