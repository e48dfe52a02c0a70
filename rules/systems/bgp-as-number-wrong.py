"""The AS numbers of a BGP session do not match: one end expects another number than the other end has, or than the configuration states.

## What it finds
Of two captured routers, one that expects a number at its peer which the peer does not call its own; sessions of Calico's mesh whose numbers are not those of the nodes' annotations (`projectcalico.org/ASNumber`) or of the
BGPConfiguration; sessions with a BGPPeer's `peerIP` of another number than its `asNumber`; and sessions that ended with `Bad peer AS`.

## Why it matters
A router refuses a session whose peer names another number than it expects (RFC 4271 6.2): no routes are exchanged.

## Example
    Neighbor AS: 64512          # n1's session with n2, and n2 says: Local AS: 64513

## How to mend
Set the same number at both ends: `asNumber` of the BGPPeer or BGPConfiguration, the node's annotation, `neighbor … as` of the router.

## Sources
RFC 4271 6.2 (Bad Peer AS); projectcalico/calico confd templates bird.cfg.template; BIRD proto/bgp/packets.c (bgp_rx_open).
"""

from collections.abc import Iterator

from analyzer.query.refusals import address_in, objects, spec_of
from analyzer.query.systems.calico import GROUP
from analyzer.query.systems.sessions import Router, SessionFact, Stated, holders, other_end, own_numbers, stated_number
from analyzer.rule import Address, Finding, Network, Rule, Severity, Span

Wrong = tuple[str, Span, str]


def check(network: Network) -> Iterator[Finding]:
    held = holders(network)
    wanted = peers(network)
    for router in network.routers.values():
        for session in router.sessions:
            found = at_other_end(network, held, router, session) or stated(network, held, router, session, wanted)
            if found is not None:
                yield RULE.finding(session.at, f"{router.node}: {found[0]}", related=[(found[1], found[2])])
            elif "Bad peer AS" in session.problem:
                said = f"AS {session.remote_as}" if session.remote_as is not None else "the AS that is expected"
                yield RULE.finding(
                    session.at, f"{router.node}: {session.peer or session.name} is not of {said} ({session.problem})"
                )


def peers(network: Network) -> dict[Address, Stated]:
    """The numbers that BGPPeers state, by address; an address with several is left out."""
    found: dict[Address, list[Stated]] = {}
    for fact in objects(network, "BGPPeer", GROUP):
        spec = spec_of(fact)
        text, number = str(spec.get("peerIP") or ""), spec.get("asNumber")
        address = address_in(text) or address_in(text.rpartition(":")[0].strip("[]"))
        if address is not None and isinstance(number, int):
            found.setdefault(address, []).append(Stated(number, fact.place("spec", "asNumber"), f"BGPPeer {fact.name}"))
    return {address: items[0] for address, items in found.items() if len({item.value for item in items}) == 1}


def at_other_end(network: Network, held: dict[Address, str], router: Router, session: SessionFact) -> Wrong | None:
    """What the peer calls itself, in its session with this node, else in any."""
    if session.peer is None or session.remote_as is None or session.established:
        return None
    name = held.get(session.peer, "")
    other = network.routers.get(name)
    back = other_end(network, held, session, router.node)
    numbers = {back.local_as: back.at} if back is not None and back.local_as is not None else own_numbers(other) if other else {}
    if not numbers or session.remote_as in numbers or name == router.node:
        return None
    number, at = next(iter(numbers.items()))
    return (
        f"AS {session.remote_as} is expected at {session.peer} ({name}), which is of AS {number}",
        at,
        f"{name} is of AS {number}",
    )


def stated(
    network: Network, held: dict[Address, str], router: Router, session: SessionFact, wanted: dict[Address, Stated]
) -> Wrong | None:
    """What annotations, BGPConfiguration and BGPPeers state; the numbers of other systems are their own."""
    if session.program not in ("bird", "calico") or session.peer is None:
        return None
    mesh = session.name.startswith("Mesh")
    remote = (
        stated_number(network, held.get(session.peer, ""))
        if mesh and session.peer in held
        else None
        if mesh
        else wanted.get(session.peer)
    )
    if remote is not None and session.remote_as not in (None, remote.value):
        return f"AS {session.remote_as} is expected at {session.peer}, and AS {remote.value} is stated", remote.at, remote.words
    own = stated_number(network, router.node) if mesh else None
    if own is not None and session.local_as not in (None, own.value):
        return f"it calls itself AS {session.local_as} to {session.peer}, and AS {own.value} is stated", own.at, own.words
    return None


RULE = Rule("bgp-as-number-wrong", Severity.ERROR, __doc__, check)
