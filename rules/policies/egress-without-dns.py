"""Pods may send what a policy lists, but by no rule ask a DNS server.

## What it finds
In manifests: policies with rules of egress, for pods that no policy lets ask the workload of the cluster's DNS; with NodeLocal DNS the address that its cache binds, which no `podSelector` matches. Where that is not part of the input, for pods that no rule of any policy lets send to
port 53 (or the ports that DNS pods answer on), to whoever may be the cluster's DNS: pods of a named namespace other than `kube-system` (and `openshift-dns`) are not. As a note, where UDP is admitted
and TCP is not.

## Why it matters
Names cannot be resolved: what the policy lists is reached by address only. Without TCP, answers that are too long for UDP fail, now and then and only for some names.

## Example
    policyTypes: [Egress]
    egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]

## How to mend
Add a rule for port 53, UDP and TCP, to the cluster's DNS (`namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}`); with NodeLocal DNS also to 169.254.20.10/32. Pods that need no
names may be left so: ignore it with the reason.

## Sources
Kubernetes documentation "Network Policies"; RFC 7766 (DNS over TCP is required of servers and resolvers). Where the pods of the cluster's DNS are in the input, policy-blocks-dns decides it for them. A policy without rules, which cuts its
pods off, is not reported.
"""

from collections.abc import Iterator

from analyzer.query.names import without_names
from analyzer.query.policy_findings import Action
from analyzer.rule import Finding, Network, Rule, Severity

ENDING = "the cluster's DNS"


def check(network: Network) -> Iterator[Finding]:
    for policy, entity, protocols, cache in without_names(network):
        allowing = (rule for rule in policy.egress.rules if rule.action is Action.ALLOW) if policy.egress else iter(())
        at = next((rule.at for rule in allowing), policy.at)
        places = [(entity.at, "a pod that it selects"), *([(cache.at, cache.words)] if cache else [])]
        if cache:
            text = f"{policy} lets {entity.name} send, but not ask the DNS of its node at {cache.address} over {' or '.join(protocols)}"
        elif protocols == ("TCP",):
            text = f"{policy} lets {entity.name} ask for names over UDP, and not over TCP"
        else:
            text = f"{policy} lets {entity.name} send, but no rule lets it ask for names over {' or '.join(protocols)}"
        yield RULE.finding(
            at,
            text,
            related=[(where, words) for where, words in places if where],
            help=f"admit port 53, UDP and TCP, to {f'{cache.address}/32, as an address and not by podSelector' if cache else ENDING}",
            certain=cache is None,
            severity=Severity.NOTE if protocols == ("TCP",) else None,
        )


RULE = Rule("egress-without-dns", Severity.WARNING, __doc__, check, absence=True)
