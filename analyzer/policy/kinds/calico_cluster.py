"""What Calico's policies refer to: tiers, network sets, endpoints, profiles and Felix's configuration.

Follows api/pkg/apis/projectcalico/v3 (tier.go, networkset.go, hostendpoint.go, profile.go, felixconfig.go), libcalico-go lib/validator/v3 and
felix/rules/static.go (filterWorkloadToHostChain).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.calico.encapsulation import encapsulation
from analyzer.policy.calico.endpoints import GROUPS, METADATA, PODS, block_of, endpoints_of, kept_labels, named_port
from analyzer.policy.calico.fields import action_of
from analyzer.policy.calico.hosts import felix_of, standing
from analyzer.policy.calico.profiles import of_pods
from analyzer.policy.calico.rules import Reader
from analyzer.policy.calico.tiers import AS_TIER, BUILT_IN, ENDS, order_of, tier_orders
from analyzer.policy.reading import Complaint, PolicyKind, Read, unknown_fields, view_of
from analyzer.policy.selectors import check_key, check_value
from analyzer.policy.terms import EVERYONE, All, Named, Of, Opaque, Peer, both
from analyzer.policy.tiers import Action, Direction, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World
from analyzer.source import Span

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
INTERFACE = re.compile(r"[a-zA-Z0-9_.-]{1,15}")
TO_HOST = "endpoint to host"
ACTION_FIELD, ACTION_VARIABLE = "defaultEndpointToHostAction", "FELIX_DEFAULTENDPOINTTOHOSTACTION"


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """What is wrong with an object; what it says is found by what refers to it."""
    view = view_of(fact)
    spec = view.part("spec")
    CHECKS[fact.kind](fact, spec, world)
    for at, reason in dict.fromkeys((gap.at, gap.reason) for gap in view.gaps):
        yield Complaint(at, reason, rejected=True)
    if fact.kind == "KubeControllersConfiguration" and spec.part("controllers").part("node").part("hostEndpoint").value.get(
        "templates"
    ):
        yield Complaint(fact.at, "the templates of host endpoints are not followed: give the HostEndpoints that they make")
    if fact.kind == "WorkloadEndpoint":
        yield from of_workload(fact, spec, world)


def check_tier(fact: OtherObjectFact, spec: View, _: World) -> None:
    """A Tier: a simple name, an order, an end; the orders of those that are always there are fixed."""
    unknown_fields(spec, ("order", "defaultAction"))
    order = order_of(spec, float("inf"))
    if len(fact.name) > 63 or not LABEL.fullmatch(fact.name):
        spec.wrong(f"{fact.name!r} cannot name a tier: lower-case letters, digits and dashes")
    own = BUILT_IN.get(AS_TIER.get(fact.name, fact.name))
    if own is not None and order != own[0]:
        spec.wrong(f"the order of the tier {fact.name} must be {own[0]:.0f}", "order")
    action = spec.text("defaultAction", "Deny")
    if action not in ENDS:
        spec.wrong(f"defaultAction must be Deny or Pass, not {action!r}", "defaultAction")
    elif own is not None and ENDS[action] is not own[1] and spec.value.get("defaultAction") is not None:
        spec.wrong(f"the defaultAction of the tier {fact.name} must be {own[1].value.capitalize()}", "defaultAction")


def check_set(fact: OtherObjectFact, spec: View, _: World) -> None:
    """A network set: addresses and CIDRs, with host bits or without."""
    unknown_fields(spec, ("nets",))
    for index, text in enumerate(spec.texts("nets")):
        if block_of(text) is None:
            spec.wrong(f"{text!r} is neither an address nor a CIDR", "nets", index)
    for key, value in kept_labels(fact.annotations.get(METADATA, "")):
        check_key(spec, key)
        check_value(spec, value)


def check_host(_: OtherObjectFact, spec: View, __: World) -> None:
    """A HostEndpoint: a node, and an interface or addresses."""
    unknown_fields(spec, ("node", "interfaceName", "expectedIPs", "profiles", "ports"))
    if not spec.text("node"):
        spec.wrong("no node is named", "node")
    if not spec.text("interfaceName") and not spec.texts("expectedIPs"):
        spec.wrong("neither interfaceName nor expectedIPs is given", "interfaceName")
    if (name := spec.text("interfaceName")) not in ("", "*") and not INTERFACE.fullmatch(name):
        spec.wrong(f"{name!r} is no name of an interface", "interfaceName")
    for index, text in enumerate(spec.texts("expectedIPs")):
        if "/" in text or block_of(text) is None:
            spec.wrong(f"{text!r} is no address", "expectedIPs", index)
    for item in spec.parts("ports"):
        if named_port(item) is None:
            item.wrong("a port of an endpoint needs a name, a number, and protocol TCP, UDP or SCTP")


def check_profile(_: OtherObjectFact, spec: View, world: World) -> None:
    """A Profile: rules of both directions."""
    unknown_fields(spec, ("ingress", "egress", "labelsToApply"))
    reader = Reader(endpoints_of(world), "")
    for direction in Direction:
        reader.rules(spec, direction)
        for item in spec.parts(direction.value):
            action_of(item)


def check_felix(_: OtherObjectFact, spec: View, __: World) -> None:
    """FelixConfiguration: of its many fields those that decide over packets."""
    action = spec.text(ACTION_FIELD, "Drop")
    if action not in ("Drop", "Accept", "Return"):
        spec.wrong(f"{ACTION_FIELD} must be Drop, Accept or Return, not {action!r}", ACTION_FIELD)
    for key in ("failsafeInboundHostPorts", "failsafeOutboundHostPorts"):
        for item in spec.parts(key):
            if item.text("protocol", "TCP").upper() not in ("TCP", "UDP", "SCTP"):
                item.wrong("protocol must be TCP, UDP or SCTP", "protocol")
            if not 0 <= item.number("port") <= 65535:
                item.wrong("port must be a number from 0 to 65535", "port")
            if item.text("net") and block_of(item.text("net")) is None:
                item.wrong(f"{item.text('net')!r} is no CIDR", "net")


def check_controllers(_: OtherObjectFact, spec: View, __: World) -> None:
    """KubeControllersConfiguration: of it, the host endpoints that it has made for nodes."""
    given = spec.part("controllers").part("node").part("hostEndpoint")
    if given.text("autoCreate", "Disabled") not in ("Enabled", "Disabled"):
        given.wrong(f"autoCreate must be Enabled or Disabled, not {given.text('autoCreate')!r}", "autoCreate")


def nothing_to_check(_: OtherObjectFact, __: View, ___: World) -> None:
    """WorkloadEndpoint: what is wrong with it does not matter, as pods are known by themselves."""


def of_workload(fact: OtherObjectFact, spec: View, world: World) -> Iterator[Complaint]:
    """A WorkloadEndpoint of which no pod is given is nobody here."""
    namespace = fact.namespace or "default"
    if (namespace, spec.text("pod")) not in world.cluster.pods:
        yield Complaint(fact.at, f"WorkloadEndpoint {fact.name} is of a workload that is not given: nobody stands for it")


def always(world: World) -> Iterator[Read]:
    """What holds without any policy: the tiers, host endpoints, and what pods may send to their nodes."""
    if not world.profile.enforced(GROUPS[0], "GlobalNetworkPolicy"):
        return
    endpoints, felix = endpoints_of(world), felix_of(world)
    yield from tier_orders(endpoints)
    yield from standing(endpoints, felix)
    yield from of_pods(world, endpoints)
    yield from encapsulation(world)
    yield TierOrder("default", 0.0, Action.PASS, TO_HOST)
    for name in sorted(world.cluster.nodes):
        spec = felix.spec(name, ACTION_FIELD)
        if spec is not None and ACTION_VARIABLE not in felix.variables and spec.text(ACTION_FIELD) == "Drop":
            at = spec.at(ACTION_FIELD)
            text = f"whether {ACTION_VARIABLE} of calico-node, which is not given, says other than {ACTION_FIELD}: it comes first"
            yield to_host(name, at, Opaque(text, at))
        elif ACTION_VARIABLE in felix.variables and felix.variables[ACTION_VARIABLE][0].lower() == "drop":
            yield to_host(name, felix.variables[ACTION_VARIABLE][1], EVERYONE)


def to_host(node: str, at: Span, doubt: Peer) -> Policy:
    """That pods reach nothing on their own node. Every installation of Calico sets the variable; without it, the default is Drop."""
    peers = both(All((PODS, Named(Of.PLACE, frozenset({node})))), doubt)
    rules = Rules((Rule(Action.DENY, peers, at),), isolates=False)
    return Policy("FelixConfiguration", "", ACTION_FIELD, at, Named(Of.NODE, frozenset({node})), rules, None, plane=TO_HOST)


Check = Callable[[OtherObjectFact, View, World], None]
CHECKS: dict[str, Check] = {
    "Tier": check_tier,
    "NetworkSet": check_set,
    "GlobalNetworkSet": check_set,
    "HostEndpoint": check_host,
    "WorkloadEndpoint": nothing_to_check,
    "Profile": check_profile,
    "FelixConfiguration": check_felix,
    "KubeControllersConfiguration": check_controllers,
}
KIND = PolicyKind(names=tuple(f"{group}/{name}" for group in GROUPS for name in CHECKS), read=read, standing=always)
