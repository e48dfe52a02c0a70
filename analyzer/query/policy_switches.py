"""The points in which network systems differ, and the answers that depend on one."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.policy.decision import Decision, decide
from analyzer.policy.entities import Asked, Entity, Flow
from analyzer.policy.profiles import with_switches
from analyzer.policy.terms import Kind
from analyzer.query.policies import Identity, Policies, known


def flipped(
    policies: Policies, source: Entity, destination: Entity, flow: Flow, asked: Asked | None, decision: Decision
) -> Iterator[str]:
    """The points in which network systems differ and on which the answer depends, where it is not known which system there is."""
    if policies.profile.name != "unknown" or decision.admitted is None or decision.exempt.startswith("a pod always"):
        return
    for switch in relevant(source, destination, asked):
        name, value = switch.replace("_", "-"), getattr(policies.profile, switch)
        other = known(Identity(policies.world.cluster), with_switches(policies.profile, {name: "no" if value else "yes"}))
        ends = [other.world.by_name.get(entity.name, entity) for entity in (source, destination)]
        if decide(other.all, ends[0], ends[1], flow, asked).admitted is not decision.admitted:
            yield f"network systems differ in this: {name} is taken to be {'yes' if value else 'no'} (--cni, --policy-switch)"


def relevant(source: Entity, destination: Entity, asked: Asked | None) -> Iterator[str]:
    """The switches that could matter for a flow, of those that have a value."""
    kinds = {source.kind, destination.kind}
    if Kind.POD in kinds:
        yield "blocks_match_pods"
    if Kind.HOST in kinds:
        yield from ("blocks_match_nodes", "own_node_admitted", "exclusions_match_nodes")
    if Kind.OUTSIDE in kinds:
        yield "exclusions_match_outside"
    if source.host_network or destination.host_network:
        yield "host_network_pods"
    if asked is not None:
        yield "egress_sees_service"
