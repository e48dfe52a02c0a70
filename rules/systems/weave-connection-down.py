"""A connection between Weave's peers is not established, or only by the slow way.

## What it finds
Connections in `weave report` and `weave status connections` that failed, are retried or pending, with the reason; and those that go by `sleeve` while others of the peer go by `fastdp` (a note). A peer's connection
with itself, and a second one with a peer that another reaches, are left out.

## Why it matters
Peers that do not reach each other over any way split the cluster: packets to pods of the other part are lost. `sleeve` copies every packet through user space.

## Example
    -> 10.40.0.13:6783       failed      dial tcp4 :0->10.40.0.13:6783: connect: connection refused, retry: 2026-03-02 …

## How to mend
Open TCP 6783 and UDP 6783 to 6784 between nodes; see whether weave runs on the peer, whether its password is the same (`WEAVE_PASSWORD`), and whether a clock or version differs, which the reason says. For sleeve: the MTU of `WEAVE_MTU` and 84 must fit.

## Sources
weaveworks/weave mesh/connection_maker.go, prog/weaver/http.go, site/tasks/manage/troubleshooting.md; weaveworks/weave#3641.
"""

from collections.abc import Iterator

from analyzer.query.systems.weave import ConnectionStateFact, Router
from analyzer.rule import Finding, Network, Rule, Severity

BENIGN = ("cannot connect to ourself", "Multiple connections to")


def check(network: Network) -> Iterator[Finding]:
    for router in network.routers.values():
        reached = {host(one) for one in router.connections if one.established} | {
            one.other for one in router.connections if one.established
        }
        told: set[str] = set()
        for one in router.connections:
            if not one.established and host(one) not in told and not excused(one, reached):
                told.add(host(one))
                why = f": {one.problem}" if one.problem else ""
                yield RULE.finding(
                    one.at, f"{router.node}: the connection with {one.nickname or one.address} is {one.state}{why}"
                )
        yield from slow(router)


def host(one: ConnectionStateFact) -> str:
    """The address without its port."""
    return one.address.rpartition(":")[0]


def excused(one: ConnectionStateFact, reached: set[str]) -> bool:
    """Whether a connection need not be there: with the peer itself, or with one that another connection reaches."""
    return any(text in one.problem for text in BENIGN) or host(one) in reached or (one.other != "" and one.other in reached)


def slow(router: Router) -> Iterator[Finding]:
    """Connections by sleeve beside some by fastdp."""
    ways = {one.way for one in router.connections if one.established}
    for one in router.connections if "fastdp" in ways else ():
        if one.established and one.way == "sleeve":
            yield RULE.finding(
                one.at,
                f"{router.node}: packets to {one.nickname or one.address} go through user space (sleeve), those to others do not",
                severity=Severity.NOTE,
            )


RULE = Rule("weave-connection-down", Severity.ERROR, __doc__, check)
