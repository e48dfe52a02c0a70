"""A value that is of the right type, and that the API server refuses.

## What it finds
Of services: numbers of ports out of range, two alike, several without names, node ports of type ClusterIP, words that are none of the field's (`externalTrafficPolicy: local`), addresses and source ranges that cannot be read or are of another family, an ExternalName without a DNS name, headless services of other types, the timeout of session affinity.
Of pods and their templates: numbers, names and protocols of ports, two ports or containers of one name, host ports that differ from the container's in the node's network, DNS policies and name servers; a workload whose selector does not match its own pods. Of an Ingress: hosts, paths and backends. Of workloads, EndpointSlices and Gateways: words that are none of the field's
(`restartPolicy`, `imagePullPolicy`, `strategy.type`, operators, `whenUnsatisfiable`, `addressType` and their like).

## Why it matters
The API server refuses the object: what was there before stays, or nothing is.

## Example
    kind: Service
    spec: {externalTrafficPolicy: local, ports: [{port: 80}, {port: 443}]}     # Local; and the ports need names

## How to mend
Write what the message says.

## Sources
Kubernetes pkg/apis/core/validation (ValidateService, ValidatePodSpec, validateContainerPorts, validateHostNetwork), pkg/apis/apps/validation, pkg/apis/networking/validation (ValidateIngress), pkg/apis/batch/validation, pkg/apis/discovery/validation. Objects that come from an API server are left out. Of policies, see policy-rejected; of two services at odds, service-address-taken.
"""

from collections.abc import Iterator

from analyzer.query.validation import named, refused
from analyzer.rule import Edit, Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for item, problem in refused(network):
        path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in problem.path).lstrip(".")
        related = [(item.place(*problem.other[0]), problem.other[1])] if problem.other else []
        at, value = item.place(*problem.path), problem.instead
        edits = [Edit(at, value)] if value and at.end_column else []
        help = f"write {value}" if value else ""
        yield RULE.finding(at, f"{path} of {named(item)}: {problem.why}", related=related, help=help, edits=edits)


RULE = Rule("manifest-value-refused", Severity.ERROR, __doc__, check)
