"""Whether policies see a node in the place of a pod that asks for a service, because kube-proxy masquerades all that does (``masqueradeAll``)."""

from __future__ import annotations

from analyzer.model.cluster import Setting
from analyzer.policy.decision import leaving
from analyzer.policy.entities import Asked, Entity, Flow
from analyzer.policy.terms import Kind, all_of
from analyzer.policy.world import World
from analyzer.query.policies import Policies

MASQUERADES_ALL, TRUTHS = ("kubernetes", "masquerade-all"), ("true", "t", "1")
"""The setting, and what Go takes for true (strconv.ParseBool)."""


def masquerades_all(world: World) -> Setting | None:
    """Where it is said that kube-proxy does so; None where it is not, or is said not to be."""
    told = next((item for item in world.cluster.settings if (item.system, item.key) == MASQUERADES_ALL), None)
    return told if told is not None and told.value.lower() in TRUTHS else None


def node_seen(policies: Policies, sender: Entity, receiver: Entity, flow: Flow, asked: Asked) -> Entity | None:
    """The node that the receiver's policies may see in the sender's place; None where they do not, for systems that look at packets before their own node masquerades them,
    or where the sender's own policies deny it. Which of its addresses the node takes, manifests do not say."""
    same = bool(sender.node) and sender.node == receiver.node
    if same and policies.profile.ingress_sees_masquerade is False:
        return None
    if all(all_of(walk.admitted for walk in way) is False for way in leaving(policies.all, sender, receiver, flow, asked)):
        return None
    known = policies.world.by_name.get(f"node:{sender.node}") if sender.node else None
    return known or Entity("the sender's node", Kind.HOST, node=sender.node, node_labels=None)
