"""Answers where pods or nodes are only listed: policies cannot be asked about them, so that what is true of all others need not be true of all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.addresses import prefix
from analyzer.facts.listings import PodListing
from analyzer.findings import Verdict
from analyzer.query.ask.answers import Answer
from analyzer.query.ask.questions import AnyChange, AnyPod, Compare, Mode, Names, OneWay, Party, Quantity, Question, Reach, Which
from analyzer.query.policies import Policies
from analyzer.query.policy_parties import pod_name

ENOUGH = 3
ONLY = (Mode.REACHES_ONLY, Mode.ONLY_REACHES)


def with_unseen(policies: Policies, question: Question, answer: Answer) -> Answer:
    """The answer, undecided where it rests on that there is nobody else among those who are meant."""
    listed = policies.world.cluster.listed
    if not (listed.pods or listed.nodes) or answer.verdict not in exhaustive(question):
        return answer
    found = sorted(dict.fromkeys(meant(policies, question)))
    if not found:
        return answer
    names = ", ".join(found[:ENOUGH]) + (f" and {len(found) - ENOUGH} more" if len(found) > ENOUGH else "")
    text = f"what is true of {names}, which {'is' if len(found) == 1 else 'are'} only listed (kubectl get pods,nodes -A -o yaml)"
    note = f"of all others it is {answer.verdict}"
    return replace(answer, verdict=Verdict.UNDECIDED, notes=(*answer.notes, note), settle=(*answer.settle, text))


def exhaustive(question: Question) -> tuple[Verdict, ...]:
    """The verdicts that no single flow shows: all that are meant were looked at."""
    match question:
        case Reach(mode=Mode.CAN) | OneWay():
            found: tuple[Verdict, ...] = (Verdict.REFUTED,)
        case _:
            found = (Verdict.PROVED,)
    sides = (question.source, question.target) if isinstance(question, Reach) else ()
    told = any(isinstance(side, Names) and side.quantity is not Quantity.UNSAID for side in sides)
    return (Verdict.PROVED, Verdict.REFUTED) if told else found


def meant(policies: Policies, question: Question) -> Iterator[str]:
    """Those who are only listed, and are or could be among those who are meant."""
    match question:
        case Reach(mode, source, target, details):
            if mode in ONLY or details.hops > 1:
                yield from everybody(policies)
            yield from (name for side in (source, target) for name in of_party(policies, side))
        case Which(source, target, _):
            yield from (name for side in (source, target) for name in of_party(policies, side))
        case OneWay(among, _):
            yield from of_party(policies, among)
        case Compare():
            yield from everybody(policies)


def everybody(policies: Policies) -> Iterator[str]:
    """All who are only listed."""
    listed = policies.world.cluster.listed
    yield from map(pod_name, listed.pods)
    yield from (f"node:{item.name}" for item in listed.nodes)


def of_party(policies: Policies, party: Party) -> Iterator[str]:
    """Those of a party: of the names that mean several."""
    match party:
        case AnyPod() | AnyChange():
            return
        case Names(()):
            yield from map(pod_name, policies.world.cluster.listed.pods)
        case Names(words):
            for word in words:
                yield from of_word(policies, word.text)


def of_word(policies: Policies, text: str) -> Iterator[str]:
    """Those of one name. A pod's workload stands in no listing, its labels in few."""
    pods = policies.world.cluster.listed.pods
    kind, _, rest = text.partition(":")
    if text == "anyone":
        yield from everybody(policies)
    elif kind in ("ns", "namespace"):
        yield from (pod_name(item) for item in pods if item.namespace in ("", rest))
    elif kind == "labels":
        yield from (pod_name(item) for item in pods if may_have(item, rest))
    elif "/" in text and text.rpartition("/")[2].isdecimal():
        block = prefix(text)
        yield from (pod_name(item) for item in pods if any(block.covers(own) for own in item.addresses) or not item.addresses)
    elif text not in policies.world.by_name and kind != "node":
        space = rest.partition("/")[0] if rest else text.partition("/")[0]
        yield from (pod_name(item) for item in pods if item.namespace in ("", space) and "/" in text)


def may_have(item: PodListing, labels: str) -> bool:
    """Whether a listed pod may have labels."""
    wanted = (part.strip().partition("=") for part in labels.split(","))
    return item.labels is None or all(item.labels.get(key) == value for key, _, value in wanted)
