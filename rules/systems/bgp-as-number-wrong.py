"""The AS numbers of a BGP session do not match: one end expects another number than the other end has, or than the configuration states.

## What it finds
Of two captured routers, one that expects a number at its peer which the peer does not call its own; sessions of Calico's mesh whose numbers are not those of the nodes' annotations (`projectcalico.org/ASNumber`) or of the
BGPConfiguration; sessions of BIRD, FRR, GoBGP and Cilium with other numbers than Calico's and MetalLB's BGPPeers, CiliumBGPPeeringPolicies, CiliumBGPClusterConfigs and kube-router's annotations state for the peer; and sessions that
ended with `Bad peer AS`.

## Why it matters
A router refuses a session whose peer names another number than it expects (RFC 4271 6.2): no routes are exchanged.

## Example
    Neighbor AS: 64512          # n1's session with n2, and n2 says: Local AS: 64513

## How to mend
Set the same number at both ends: `asNumber` of the BGPPeer or BGPConfiguration, the node's annotation, `neighbor … as` of the router.

## Sources
RFC 4271 6.2 (Bad Peer AS); projectcalico/calico confd templates bird.cfg.template; metallb/metallb api/v1beta2/bgppeer_types.go; cilium/cilium pkg/k8s/apis/cilium.io/v2alpha1; BIRD proto/bgp/packets.c (bgp_rx_open).
"""

from collections.abc import Iterator

from analyzer.query.systems.sessions import Router, SessionFact, Stated, holders, object_of, other_end, own_numbers, stated_number
from analyzer.query.systems.stated_peers import StatedPeer, stated_peers
from analyzer.rule import Address, Finding, Network, Rule, Severity, Span

Wrong = tuple[str, Span, str]


def check(network: Network) -> Iterator[Finding]:
    held = holders(network) if network.routers else {}
    wanted = stated_peers(network) if network.routers else {}
    names = sorted({*network.routers, *held.values()}) if network.routers else []
    numbers = {name: number for name in names if (number := stated_number(network, name)) is not None}
    for router in network.routers.values():
        node = object_of(network, router.node)
        for session in router.sessions:
            found = (
                at_other_end(network, held, router, session)
                or of_mesh(held, router, session, numbers)
                or of_peer(session, node.name if node is not None else router.node, wanted)
            )
            if found is not None:
                yield RULE.finding(session.at, f"{router.node}: {found[0]}", related=[(found[1], found[2])])
            elif "Bad peer AS" in session.problem:
                said = f"AS {session.remote_as}" if session.remote_as is not None else "the AS that is expected"
                yield RULE.finding(
                    session.at, f"{router.node}: {session.peer or session.name} is not of {said} ({session.problem})"
                )


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


def of_mesh(held: dict[Address, str], router: Router, session: SessionFact, numbers: dict[str, Stated]) -> Wrong | None:
    """The numbers that annotations and BGPConfiguration give to the nodes of Calico's mesh."""
    if session.program not in ("bird", "calico") or session.peer is None or not session.name.startswith("Mesh"):
        return None
    remote, own = numbers.get(held.get(session.peer, "")), numbers.get(router.node)
    if remote is not None and session.remote_as not in (None, remote.value):
        return f"AS {session.remote_as} is expected at {session.peer}, and AS {remote.value} is stated", remote.at, remote.words
    if own is not None and session.local_as not in (None, own.value):
        return f"it calls itself AS {session.local_as} to {session.peer}, and AS {own.value} is stated", own.at, own.words
    return None


def of_peer(session: SessionFact, node: str, wanted: dict[Address, list[StatedPeer]]) -> Wrong | None:
    """The numbers that objects state for a peer; where they state several, one of them."""
    if session.peer is None:
        return None
    said = [one for one in wanted.get(session.peer, ()) if session.program in one.programs and one.node in ("", node)]
    if said and session.remote_as is not None and session.remote_as not in {one.number for one in said}:
        return (
            f"AS {session.remote_as} is expected at {session.peer}, and AS {said[0].number} is stated",
            said[0].at,
            said[0].words,
        )
    own = {one.own for one in said}
    if said and session.local_as is not None and None not in own and session.local_as not in own:
        return (
            f"it calls itself AS {session.local_as} to {session.peer}, and AS {said[0].own} is stated",
            said[0].at,
            said[0].words,
        )
    return None


RULE = Rule("bgp-as-number-wrong", Severity.ERROR, __doc__, check)
