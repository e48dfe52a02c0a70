"""Kubernetes' chains stand in both back ends of iptables.

## What it finds
A node whose legacy and nft rulesets both hold chains of Kubernetes, kube-proxy or the CNI; and a rule that translates a service's address in the back end that they do not use.

## Why it matters
The kernel applies both. Rules that a component left in the other back end are stale, and still drop or translate.

## Example
    iptables-legacy-save: -A KUBE-SVC-… -j KUBE-SEP-…        # and iptables-save has them too

## How to mend
Use one back end for every component; flush the other (`iptables-legacy -F`, `-X`, in every table).

## Sources
kubernetes/kubernetes#71305, #109811, projectcalico/calico#2322, cloudnativelabs/kube-router#1069.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.query.tables import RulesetFact, destination_of, exact_destination, rulesets
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity, Span

OURS = ("KUBE-", "cali-", "FLANNEL-", "CNI-", "CILIUM_", "WEAVE-", "OVN-")
HINTS = ("KUBE-KUBELET-CANARY", "KUBE-IPTABLES-HINT", "KUBE-PROXY-CANARY")


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    services = {
        address: f"{service.namespace}/{service.name}"
        for service in network.cluster.services.values()
        for address in (*service.cluster_addresses, *service.external_addresses, *service.load_balancer_addresses)
    }
    for root in roots(network):
        for family in (4, 6):
            held: dict[str, Span] = {}
            for ruleset in rulesets(root, family):
                if (place := first_of_ours(ruleset)) is not None:
                    held.setdefault(ruleset.backend, place)
            if len(held) > 1:
                yield RULE.finding(
                    held["legacy"],
                    f"{root.scope.node} has rules of Kubernetes in both back ends of ip{'6' * (family == 6)}tables; the kernel applies both",
                    related=[(held["nft"], "the nft back end")],
                    help="choose one back end for every component and flush the other",
                )
            elif held:
                yield from strangers(root, family, held, services)


def first_of_ours(ruleset: RulesetFact) -> Span | None:
    """The first chain of Kubernetes that has rules."""
    for table in ruleset.tables.values():
        for chain in table.values():
            if chain.name.startswith(OURS) and chain.name not in HINTS and len(chain.rules):
                return chain.at
    return None


def strangers(root: Namespace, family: int, held: dict[str, Span], services: dict[Address, str]) -> Iterator[Finding]:
    """Translations of services' addresses in the back end that Kubernetes does not use."""
    others = (ruleset for ruleset in rulesets(root, family) if ruleset.backend not in held)
    for ruleset, chain in ((one, chain) for one in others for chain in one.tables.get("nat", {}).values()):
        for rule in chain.rules:
            address = exact_destination(rule)
            if address in services and destination_of(rule, family) is not None:
                yield RULE.finding(
                    rule.at,
                    f"{root.scope.node} translates {address}, the address of service {services[address]}, in the {ruleset.backend} back end as well",
                    related=[(place, f"Kubernetes uses the {backend} back end") for backend, place in held.items()],
                    help=f"remove the rule: iptables-{ruleset.backend} -t nat -D {chain.name} …",
                )


RULE = Rule("two-iptables-back-ends", Severity.WARNING, __doc__, check)
