"""A BGP session of a node is not established.

## What it finds
Sessions that BIRD (`birdc show protocols`, `calicoctl node status`), FRR (`show bgp summary`), GoBGP (`gobgp neighbor`) or Cilium (`cilium-dbg bgp peers`) lists in another state than Established, with the daemon's own last error;
and sessions of FRR that exchange nothing because an external peer has no policy (`(Policy)`). Sessions that somebody switched off, those that wait for whoever comes, and a second
session with a peer that another one reaches are left out; one that is just being opened is told as possible.

## Why it matters
The peer learns none of the node's pods and services, and the node none of the peer's: packets take the default route, or are dropped.

## Example
    Mesh_10_30_0_13 BGP  master  start  06:10:11  Active  Socket: Connection refused

## How to mend
Connection refused: nothing listens on port 179 of the peer (is its calico-node running?). No route, or no answer: the network between them or a firewall drops port 179. Bad peer AS: the two AS
numbers differ. Hold timer expired: the peer is gone, or the path loses packets (often its MTU).

## Sources
RFC 4271 8.2.2; BIRD proto/bgp/bgp.c (bgp_state_dsc, bgp_last_errmsg); FRR bgpd/bgp_vty.c; projectcalico/calico node/pkg/status/populators/bgppeers.go.
"""

from collections.abc import Iterator

from analyzer.query.systems.sessions import Router, SessionFact, holders, other_end
from analyzer.rule import Address, Finding, Network, Rule, Severity

OPENING = ("OpenSent", "OpenConfirm")
HELP = {
    "Connection refused": "nothing listens on the peer's port: see whether its routing daemon runs",
    "No route": "see how the node reaches the peer's address",
    "Bad peer AS": "see the AS numbers at both ends",
    "Hold timer": "see whether the peer still runs, and whether large packets reach it",
}


def check(network: Network) -> Iterator[Finding]:
    held = holders(network)
    for router in network.routers.values():
        for session in router.sessions:
            if session.policy and session.established:
                yield RULE.finding(
                    session.at,
                    f"{router.node}: no routes are exchanged with {title(session, held)}: an external peer of FRR's needs a policy in each direction",
                    help="give the neighbor a route-map in and out, or say no bgp ebgp-requires-policy",
                )
            elif down(router, session):
                yield finding(network, held, router, session)


def down(router: Router, session: SessionFact) -> bool:
    """Whether a session ought to be up and is not."""
    if session.established or session.disabled or (session.peer is None and session.state == "Passive"):
        return False
    return not any(other.established and other.peer == session.peer for other in router.sessions if session.peer is not None)


def finding(network: Network, held: dict[Address, str], router: Router, session: SessionFact) -> Finding:
    """The session with its error, and with what the other end says."""
    other = other_end(network, held, session, router.node)
    state = f"{session.state}: {session.problem}" if session.problem else session.state
    related = (
        [(other.at, f"{held.get(session.peer, '')} says {other.state}{f': {other.problem}' if other.problem else ''}")]
        if other and session.peer
        else []
    )
    opening = session.state in OPENING and not session.problem
    return RULE.finding(
        session.at,
        f"{router.node}: the BGP session with {title(session, held)} is not established ({state})",
        related=related,
        help=next(
            (text for word, text in HELP.items() if word in session.problem),
            "see whether port 179 of the peer is reached and its daemon runs",
        ),
        certain=not opening,
        severity=Severity.WARNING if opening else None,
    )


def title(session: SessionFact, held: dict[Address, str]) -> str:
    """The peer in words: its name in BIRD, its address, and the node that has it."""
    if session.peer is None:
        return session.name or "a peer"
    node = held.get(session.peer)
    return f"{session.peer}{f' ({node})' if node else ''}"


RULE = Rule("bgp-session-down", Severity.ERROR, __doc__, check, follows=("bgp-as-number-wrong", "bgp-peer-missing"))
