"""What Antrea's webhook refuses of policies as a whole.

Follows pkg/controller/networkpolicy/validate.go (validatePolicy and what it calls).
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.parsers._view import View
from analyzer.policy.tiers import Direction

# Fields of a peer, and of an entry of ``appliedTo``, that stand alone.
ALONE = ("group", "serviceAccount", "nodeSelector", "service")
BASELINE = "baseline"


def check(spec: View, wide: bool) -> None:
    """Notes what is refused of a policy; ``wide``: it is one of the cluster."""
    check_applied(spec, wide)
    names: set[str] = set()
    for way, rule in rules_of(spec):
        name = rule.text("name")
        if name and name in names:
            rule.wrong(f"a rule named {name!r} is there already: names of rules must be unique in a policy", "name")
        names.add(name)
        check_rule(rule, spec.text("tier").lower() == BASELINE)
        for peer in rule.parts("from" if way is Direction.INGRESS else "to"):
            check_peer(peer)


def rules_of(spec: View) -> Iterator[tuple[Direction, View]]:
    """The rules of both directions."""
    return ((way, rule) for way in Direction for rule in spec.parts(way.value))


def check_applied(spec: View, wide: bool) -> None:
    """``appliedTo`` stands in the policy or in each of its rules; its entries name one thing each."""
    for way, rule in rules_of(spec):
        if spec.value.get("appliedTo") and rule.value.get("appliedTo"):
            rule.wrong("appliedTo cannot be in both the policy and its rules", "appliedTo")
        for entry in rule.parts("appliedTo"):
            check_entry(entry, wide, outwards=way is Direction.EGRESS)
    for entry in spec.parts("appliedTo"):
        check_entry(entry, wide, outwards=bool(spec.value.get("egress")))


def check_entry(entry: View, wide: bool, outwards: bool) -> None:
    """One entry of ``appliedTo``."""
    stands_alone(entry)
    if not wide:
        for key in ("namespaceSelector", "serviceAccount", "nodeSelector", "service"):
            if entry.value.get(key) is not None:
                entry.wrong(f"appliedTo of a policy in a namespace has no {key}", key)
    if entry.value.get("service") is not None and outwards:
        entry.wrong("a rule of egress cannot be applied to a service", "service")


def check_peer(peer: View) -> None:
    """One peer of a rule."""
    stands_alone(peer)
    if peer.value.get("namespaces") is not None and peer.value.get("namespaceSelector") is not None:
        peer.wrong("namespaces and namespaceSelector cannot stand in one peer", "namespaces")
    if len([key for key, value in peer.part("namespaces").value.items() if value]) > 1:
        peer.wrong("namespaces must have one of match and sameLabels", "namespaces")


def stands_alone(view: View) -> None:
    """Notes a field beside one that stands alone."""
    given = [key for key, value in view.value.items() if value is not None]
    for key in ALONE:
        if key in given and len(given) > 1:
            view.wrong(f"{key} cannot stand beside {', '.join(sorted(set(given) - {key}))}", key)


def check_rule(rule: View, baseline: bool) -> None:
    """What of a rule does not go together."""
    action = rule.text("action")
    if baseline and action == "Pass":
        rule.wrong("Pass cannot stand in the tier baseline, behind which there is none", "action")
    beside = [key for key in ("to", "ports", "protocols", "l7Protocols") if rule.value.get(key)]
    if rule.value.get("toServices") and beside:
        rule.wrong(f"toServices cannot stand beside {', '.join(beside)}", "toServices")
    if rule.value.get("l7Protocols") and action != "Allow":
        rule.wrong(f"l7Protocols need the action Allow, not {action!r}", "l7Protocols")
    for port in rule.parts("ports"):
        check_port(port)


def check_port(port: View) -> None:
    """An end of a range needs a beginning, which is a number."""
    for first, last in (("port", "endPort"), ("sourcePort", "sourceEndPort")):
        if port.value.get(last) is None:
            continue
        if port.value.get(first) is None:
            port.wrong(f"{last} needs {first}", last)
        elif isinstance(port.value[first], str):
            port.wrong(f"{last} needs {first} to be a number", last)
