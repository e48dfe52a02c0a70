"""A probe, or a handler at a container's start or end, asks a port by a name that the container does not declare.

## What it finds
Startup, readiness and liveness probes (HTTP and TCP) whose port is a name that is not among the ports of the same container; the names of other containers do not count. So
do `postStart` and `preStop` handlers that send a request.

## Why it matters
The kubelet finds no port to ask and throws the result away: with a readiness or a startup probe the pod is never ready, and no service leads to it; a liveness probe never finds anything. A container
whose `postStart` fails is killed, again and again; a `preStop` that fails is skipped.

## Example
    ports: [{name: http, containerPort: 8080}]
    readinessProbe: {httpGet: {port: web}}

## How to mend
Name a port of the container, or give its number.

## Sources
kubernetes/kubernetes pkg/probe/util.go (ResolveContainerPort, findPortByName: names of the container's own ports alone) and pkg/kubelet/prober/worker.go (doProbe throws the result away where a probe ends in an
error; newWorker: before the first result readiness is a failure, startup is not known, and liveness a success); pkg/kubelet/lifecycle/handlers.go (runHTTPHandler
resolves its port in the same way). A text of digits is no name: API servers refuse it (pkg/apis/core/validation, ValidatePortNumOrName).
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import reduce
from typing import Any

from analyzer.query.workloads import Template, listed, mapping, pods, workloads
from analyzer.rule import Finding, Network, Rule, Severity

ASKED = (
    *((name, (name, way)) for name in ("startupProbe", "readinessProbe", "livenessProbe") for way in ("httpGet", "tcpSocket")),
    *((f"{event} handler", ("lifecycle", event, "httpGet")) for event in ("postStart", "preStop")),
)


def check(network: Network) -> Iterator[Finding]:
    alone = (
        pod for pod in pods(network.cluster) if not listed(mapping(pod.owner.document.get("metadata")).get("ownerReferences"))
    )
    for item in (*workloads(network.cluster), *alone):
        for key in ("containers", "initContainers"):
            for number, container in enumerate(listed(item.spec.get(key))):
                yield from of_container(item, (key, number), mapping(container))


def of_container(item: Template, path: tuple[str | int, ...], container: object) -> Iterator[Finding]:
    """The probes of a container that ask a name that it does not declare."""
    said = mapping(container)
    for asks, inside in ASKED:
        if inside[0] not in said:
            continue
        name = reduce(lambda found, key: mapping(found.get(key)), inside, said).get("port")
        if isinstance(name, str) and not name.isdigit() and name not in (names := declared(said)):
            near = next(iter(get_close_matches(name, sorted(names), 1)), "")
            text = f"the {asks} of the container {said.get('name')} of {item} asks the port {name}, which the container does not declare"
            has = f"it declares {', '.join(sorted(names))}" if names else "it declares none by a name"
            at, ports = (
                item.place(*path, *inside, "port"),
                item.place(*path, *(("ports",) if "ports" in said else ("name",))),
            )
            yield RULE.finding(
                at,
                text,
                related=[(ports, has)],
                help=f"did you mean {near}?" if near else "name one of its ports, or give a number",
            )


def declared(container: Mapping[str, Any]) -> set[str]:
    """The names of a container's ports."""
    return {str(name) for port in listed(container.get("ports")) if (name := mapping(port).get("name"))}


RULE = Rule("probe-port-missing", Severity.ERROR, __doc__, check)
