"""An endpoint of Cilium is not ready.

## What it finds
An endpoint in the agent's list whose state is `not-ready`, `invalid`, `waiting-for-identity` or `restoring`; and one that has no identity. States that pass by themselves (`regenerating`, `waiting-to-regenerate`, `disconnecting`) are
not told.

## Why it matters
What is in the maps of such an endpoint is not what policies want: its packets are dropped, or pass by an old policy, until the agent gets it ready.

## Example
    2775   Disabled   Disabled   <no label id>   …   10.0.1.90   waiting-for-identity

## How to mend
`cilium-dbg endpoint log ID` and `cilium-dbg endpoint health ID` say what the agent waits for: often the API server or the key-value store.

## Sources
cilium/cilium api/v1/models/endpoint_state.go, pkg/endpoint/endpoint.go.
"""

from collections.abc import Iterator

from analyzer.query.cilium import agents
from analyzer.rule import Finding, Network, Rule, Severity

STUCK = ("not-ready", "invalid", "waiting-for-identity", "restoring")


def check(network: Network) -> Iterator[Finding]:
    for state in agents(network):
        for _, fact in sorted(state.endpoints.items()):
            if fact.state in STUCK or (fact.state == "ready" and not fact.identity):
                who = fact.pod or ", ".join(map(str, fact.addresses)) or "without an address"
                why = f"is {fact.state}" if fact.state in STUCK else "has no identity"
                yield RULE.finding(
                    fact.at,
                    f"endpoint {fact.identifier} of {state.scope} ({who}) {why}",
                    help=f"cilium-dbg endpoint log {fact.identifier} on {state.scope}",
                    certain=fact.state in ("not-ready", "invalid"),
                )


RULE = Rule("cilium-endpoint-not-ready", Severity.WARNING, __doc__, check)
