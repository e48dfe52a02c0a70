"""A service's selector matches pods that do not serve its ports beside pods that do.

## What it finds
A Service with a cluster address, whose selector matches workloads that declare a port that it leads to, and besides them a Job or CronJob that declares none of these, or another workload that
declares ports, and none of these. A workload that declares no ports says nothing of itself, and is left out; so are a service for Jobs alone, headless services, and workloads of no replicas.

## Why it matters
kube-proxy spreads connections over all pods that are ready: a part of them goes to pods where nobody listens, and is refused. A Job's pod without a readiness probe is ready as long as it
runs, so this lasts as long as the Job.

## Example
    selector: {app: shop}         # the Deployment web has it, and the Job migrate and the StatefulSet db

## How to mend
Give the pods that are meant a label of their own, and ask for it in the selector.

## Sources
Kubernetes documentation "Service" (selector); pkg/controller/endpointslice (a pod that matches and is ready is an endpoint, whatever made it). Declaring ports is information only. A canary
beside the stable pods serves the same ports. Names of ports that only some of the pods have: service-port-unserved.
"""

from collections.abc import Iterator

from analyzer.query.workloads import ADDED, PROTOCOLS, ServiceFact, Template, captured, wanted
from analyzer.rule import Finding, Network, Rule, Severity

NAMES = dict(zip((6, 17, 132), PROTOCOLS, strict=True))
ONCE = ("Job", "CronJob")


def check(network: Network) -> Iterator[Finding]:
    if captured(network):
        return
    there = wanted(network)
    for _, service in sorted(network.cluster.services.items()):
        if judged(service):
            found = [item for item in there.selected(service) if item.replicas != 0]
            serving = [item for item in found if serves(service, item) and item.owner.kind not in ONCE]
            for item in found if serving else ():
                if not serves(service, item) and (item.owner.kind in ONCE or item.ports):
                    yield too_much(service, item, serving[0])


def judged(service: ServiceFact) -> bool:
    """Whether connections to the service's address are spread over its pods by numbers of ports alone."""
    by_number = not any(isinstance(port.target, str) for port in service.ports)
    spread = service.type != "ExternalName" and not service.headless
    return spread and by_number and not (service.selector or {}).keys() & ADDED


def serves(service: ServiceFact, item: Template) -> bool:
    """Whether a pod declares a port that the service leads to."""
    targets = {(port.target or port.port, NAMES.get(port.protocol, "")) for port in service.ports}
    return any((one.number, one.protocol) in targets for one in item.ports)


def too_much(service: ServiceFact, item: Template, meant: Template) -> Finding:
    """What is to be said of a workload that the service should not lead to."""
    once = item.owner.kind in ONCE
    has = ", ".join(sorted({f"{one.number}/{one.protocol}" for one in item.ports}))
    return RULE.finding(
        service.place("spec", "selector"),
        f"service {service.namespace}/{service.name} leads to the pods of {item} too{' while they run' if once else ''}, which declare "
        + (f"{has} and none of its ports" if has else "no ports"),
        related=[
            (item.owner.place("metadata", "name"), f"{item}"),
            (meant.owner.place("metadata", "name"), f"{meant} serves it"),
        ],
        help="ask for a label that only the pods that are meant have",
        certain=once,
    )


RULE = Rule("service-selects-too-much", Severity.WARNING, __doc__, check)
