"""OVN's database has ACLs of policies that are gone, or none of a policy that is there.

## What it finds
ACLs of the northbound database whose owner (`external_ids`) is a NetworkPolicy, an AdminNetworkPolicy or the baseline one, that is not among the objects; NetworkPolicies with rules for pods that run, and security groups of Kube-OVN, of
which the database has no ACL while it has those of others.

## Why it matters
The controller does not keep up, or stopped: pods are isolated by a policy that nobody can find, or are open although a policy says otherwise.

## Example
    external_ids: {"k8s.ovn.org/name"="shop:old", "k8s.ovn.org/owner-type"=NetworkPolicy}     # kubectl get networkpolicy -n shop: no old

## How to mend
Restart the controller (ovnkube-controller, kube-ovn-controller): it removes what is stale when it starts, and makes what is missing. Its log says what it failed at.

## Sources
ovn-kubernetes go-controller/pkg/libovsdb/ops/db_object_ids.go, pkg/ovn/base_network_controller_policy.go (syncNetworkPolicies); kubeovn/kube-ovn pkg/controller/security_group.go.
"""

from collections.abc import Iterator

from analyzer.query.logical_policies import missing, stale
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for row, name in stale(network):
        yield RULE.finding(
            row.at,
            f"the database has ACLs of {name}, which does not exist",
            help="restart the controller: it removes what is stale",
        )
    for fact in missing(network):
        name = f"{fact.namespace}/{fact.name}" if fact.namespace else fact.name
        yield RULE.finding(
            fact.at,
            f"the database has no ACL of {fact.kind} {name}",
            note="where each node has a database of its own, another one may have them",
            help="see what the controller says of it in its log",
            certain=False,
        )


RULE = Rule("logical-acl-stale", Severity.ERROR, __doc__, check)
