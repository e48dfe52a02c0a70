"""Where network systems differ in what policies mean: a switch each, and a profile for each system.

The API leaves these points open, or systems do not follow it; sources stand with the profiles. A switch of None is not known:
what rests on it is then unknown, not allowed. ``UNKNOWN_SYSTEM`` is what is taken when no system is named or recognised: the API's own
words, None where it has none.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """How a network system reads policies.

    - ``blocks_match_pods``: an ipBlock, a CIDR or a network matches the addresses of pods as well.
    - ``blocks_match_nodes``: the same for addresses of nodes.
    - ``host_network_pods``: pods in their node's network are selected and matched as other pods are; else they are as their node.
    - ``own_node_admitted``: traffic between a pod and the node it runs on passes whatever policies say.
    - ``own_node_asks_egress``: of that traffic, what a pod sends to its node is held against the pod's rules of egress all the same.
    - ``port_rules_admit_other_protocols``: a rule with ports lets ICMP and other protocols without ports of its peers pass.
    - ``own_service_admitted``: a pod reaches itself through a service whatever policies say, as it does directly.
    - ``egress_sees_service``: rules of egress are held against a service's own address and port, before it is translated.
    - ``enforces``: the kinds that the system enforces, by group and kind; None: all that are given.
    """

    name: str
    blocks_match_pods: bool | None = True
    blocks_match_nodes: bool | None = True
    host_network_pods: bool | None = False
    own_node_admitted: bool | None = True
    own_node_asks_egress: bool = False
    port_rules_admit_other_protocols: bool | None = None
    own_service_admitted: bool | None = None
    egress_sees_service: bool | None = False
    enforces: frozenset[str] | None = None

    def enforced(self, group: str, kind: str) -> bool:
        """Whether the system does what objects of the kind say."""
        return self.enforces is None or f"{group}/{kind}" in self.enforces


UPSTREAM = frozenset({"networking.k8s.io/NetworkPolicy"})
ADMIN = frozenset(f"policy.networking.k8s.io/{kind}" for kind in ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy"))
CLUSTER = frozenset({"policy.networking.k8s.io/ClusterNetworkPolicy"})

UNKNOWN_SYSTEM = Profile("unknown")
