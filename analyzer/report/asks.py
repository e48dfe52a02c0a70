"""Answers to questions about policies, for people and as JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from analyzer.findings import Verdict
from analyzer.policy.entities import Entity
from analyzer.policy.planes import PolicySet
from analyzer.policy.terms import Kind
from analyzer.policy.world import NAME_LABEL
from analyzer.query.ask.answers import Alike, Answer, Witness, alike_text, described, flow_text, protocols_text
from analyzer.query.ask.reasons import reasons_of
from analyzer.query.ask.syntax import QuestionError
from analyzer.report.excerpt import excerpt
from analyzer.report.style import Style, safe, safe_lines
from analyzer.source import Source, Span

ROLES = {Verdict.PROVED: "good", Verdict.REFUTED: "bad", Verdict.UNDECIDED: "unsure", Verdict.NOT_APPLICABLE: "dim"}
LINES = 6


def answer_text(
    answer: Answer, policies: PolicySet, sources: Mapping[str, Source], style: Style, *, captured: bool = False
) -> str:
    """The answer: the verdict, over what, the flow that shows it with the lines that decide, and what would settle it."""
    verdict = style.paint(str(answer.verdict), ROLES[answer.verdict]) + (" by the policies" if captured else "")
    lines = [f"{verdict}: {style.paint(safe(answer.statement), 'strong')}"]
    over = f"{answer.scope}; by {answer.engine}" if answer.engine else answer.scope
    lines.append(style.paint(f"  over {safe(over)}", "dim"))
    for number, witness in enumerate(answer.path, 1):
        lines += witness_lines(witness, number if len(answer.path) > 1 else 0, policies, sources, style)
    for policy in answer.policies:
        lines += excerpt(sources, policy.at, (), style, str(policy))
    lines += [f"  {style.paint('= note:', 'place')} {safe(text)}" for text in answer.notes]
    lines += [f"  {style.paint('= settle:', 'place')} {safe(text)}" for text in answer.settle]
    return "\n".join(lines) + "\n"


def error_text(problem: QuestionError, style: Style) -> str:
    """A question that was not understood."""
    return f"{style.paint('error', 'error')}: {safe_lines(str(problem))}\n"


def witness_lines(
    witness: Witness, number: int, policies: PolicySet, sources: Mapping[str, Source], style: Style
) -> Iterator[str]:
    """A flow in words, the lines that decide, and how to send it."""
    which = f"{number}. " if number else ""
    about = f" ({witness.about})" if witness.about else ""
    asked = f", asked of the service on port {witness.service_port}" if witness.service_port else ""
    yield f"  {which}{safe(described(witness))}{asked}{about}"
    yield from (f"  {style.paint('= with:', 'place')} {safe(text)}" for text in witness.imagined)
    if witness.decision.exempt:
        yield f"  {style.paint('= why:', 'place')} {safe(witness.decision.exempt)}"
    reasons, lines = reasons_of(witness, policies)
    for reason in reasons:
        yield f"  {style.paint('= why:', 'place')} {safe(reason)}"
    for line in lines[:LINES]:
        yield from excerpt(sources, line.at, (), style, line.text)
    if len(lines) > LINES:
        yield f"  … and {len(lines) - LINES} more"
    if witness.alike:
        yield f"  {style.paint('= alike:', 'place')} {safe(alike_text(witness.alike))}"
    yield f"  {style.paint('= send:', 'place')} {safe(command(witness, policies))}"


def command(witness: Witness, policies: PolicySet) -> str:
    """A command that sends the flow."""
    return " ".join((*sender(witness.source, policies), *probe(witness, policies)))


def sender(source: Entity, policies: PolicySet) -> Iterator[str]:
    """How to run a command where the flow comes from."""
    known = policies.world.by_name.get(source.name)
    if source.kind is Kind.OUTSIDE:
        yield f"from {source.name}:"
    elif not source.namespace:
        yield f"on node {source.node}:"
    elif known is None:
        yield from created(source, policies)
    else:
        name = source.pod_name.partition("[")[0]
        kind = f"{source.workload[0].lower()}/" if "[" in source.pod_name else ""
        if source.labels != known.labels:
            yield f"{relabelled(source, known)} &&"
        yield f"kubectl exec -n {shlex.quote(source.namespace)} {kind}{shlex.quote(name)} --"


def created(source: Entity, policies: PolicySet) -> Iterator[str]:
    """The commands that make a pod which is not there, and its namespace."""
    space = shlex.quote(source.namespace)
    if source.namespace not in policies.world.namespaces:
        yield f"kubectl create namespace {space} &&"
        if labels := [f"{key}={value}" for key, value in sorted(source.namespace_labels.items()) if key != NAME_LABEL]:
            yield f"kubectl label namespace {space} {' '.join(map(shlex.quote, labels))} &&"
    yield f"kubectl run -n {space} {shlex.quote(source.pod_name)} --image=busybox --restart=Never"
    if source.labels:
        yield f"--labels={shlex.quote(','.join(f'{key}={value}' for key, value in sorted(source.labels.items())))}"
    yield "--"


def relabelled(source: Entity, known: Entity) -> str:
    """The command that changes a pod's labels."""
    if "[" in source.pod_name:
        return patched(source, known)
    changed = [f"{key}={value}" for key, value in sorted(source.labels.items()) if known.labels.get(key) != value]
    changed += [f"{key}-" for key in sorted(known.labels) if key not in source.labels]
    words = " ".join(map(shlex.quote, changed))
    return f"kubectl label pod -n {shlex.quote(source.namespace)} {shlex.quote(source.pod_name)} --overwrite {words}"


def patched(source: Entity, known: Entity) -> str:
    """The command that changes the labels of a workload's pods."""
    labels = dict(source.labels) | {key: None for key in known.labels if key not in source.labels}
    change = json.dumps({"spec": {"template": {"metadata": {"labels": labels}}}}, sort_keys=True)
    name = f"{source.workload[0].lower()}/{source.workload[1]}"
    return f"kubectl patch -n {shlex.quote(source.namespace)} {shlex.quote(name)} --type merge -p {shlex.quote(change)}"


def probe(witness: Witness, policies: PolicySet) -> Iterator[str]:
    """The command that sends the flow; to a service, where one is asked."""
    flow, address = witness.flow, address_text(witness.destination, witness.flow.family)
    if witness.service is not None and witness.service_port:
        flow = replace(flow, port=witness.service_port)
        address = service_text(witness.service, flow.family, policies)
    if flow.protocol in (1, 58):
        yield f"ping -c 3 {address}"
    elif flow.protocol in (6, 17, 132):
        option = {6: "", 17: "u", 132: " --sctp"}[flow.protocol]
        origin = "" if flow.source_port == 40000 else f" -p {flow.source_port}"
        yield f"{'ncat' if flow.protocol == 132 else 'nc'} -zv{option} -w 3{origin} {address} {flow.port}"
    else:
        yield f"send IP protocol {flow.protocol} to {address}"


def service_text(key: tuple[str, str], family: int, policies: PolicySet) -> str:
    """A service's own address; its name in the cluster's DNS where it is not known."""
    service = policies.world.cluster.services.get(key)
    own = [str(item) for item in service.cluster_addresses if item.family == family] if service is not None else []
    return own[0] if own else f"{key[1]}.{key[0]}.svc"


def address_text(entity: Entity, family: int) -> str:
    """The address to send to; its owner in angle brackets where it is not known."""
    own = [str(item) for item in entity.addresses if item.family == family]
    return own[0] if own else entity.name if entity.kind is Kind.OUTSIDE else f"<address of {entity.name}>"


def answer_object(answer: Answer, policies: PolicySet) -> dict[str, Any]:
    """The answer for ``analyzer.ask/1``."""
    return {
        "question": answer.question,
        "verdict": str(answer.verdict),
        "statement": answer.statement,
        "scope": answer.scope,
        "engine": answer.engine,
        "witnesses": [witness_object(witness, policies) for witness in answer.path],
        "policies": [{"name": str(policy), "at": place(policy.at)} for policy in answer.policies],
        "notes": list(answer.notes),
        "settle": list(answer.settle),
    }


def error_object(question: str, problem: QuestionError) -> dict[str, Any]:
    """A question that was not understood."""
    return {
        "question": question,
        "error": {"message": problem.message, "column": problem.column, "expected": list(problem.expected)},
    }


def witness_object(witness: Witness, policies: PolicySet) -> dict[str, Any]:
    """A flow with what decides."""
    flow = witness.flow
    reasons, lines = reasons_of(witness, policies)
    return {
        "from": witness.source.name,
        "to": witness.destination.name,
        "family": flow.family,
        "protocol": flow_text(flow).partition(" ")[0] if flow.protocol in (1, 6, 17, 58, 132, 136) else str(flow.protocol),
        "port": flow.port,
        "source_port": flow.source_port,
        "service_port": witness.service_port,
        "verdict": {True: "admitted", False: "denied", None: "unknown"}[witness.decision.admitted],
        "about": witness.about,
        "imagined": list(witness.imagined),
        "reasons": [*([witness.decision.exempt] if witness.decision.exempt else []), *reasons],
        "lines": [{"text": line.text, "at": place(line.at)} for line in lines],
        "alike": alike_objects(witness.alike),
        "command": command(witness, policies),
    }


def alike_objects(alike: Alike) -> list[dict[str, str]]:
    """Protocols with ranges of ports."""
    return [
        {
            "protocol": protocols_text(protocols),
            "ports": ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ports),
        }
        for protocols, ports in alike
    ]


def place(at: Span) -> dict[str, Any]:
    """A place in a file."""
    return {"path": at.path, "line": at.line, "column": at.column}
