"""What the actions of tc filters come to (net/sched/act_gact.c, ``tcf_action_exec`` and ``tcf_classify``), as far as that is known without the traffic.

A ``gact`` that passes ends the search, ``pipe`` goes on with the filter's next action, ``continue`` with the next filter. Whatever jumps, goes to
another chain, is left to chance or to a rate (``police``), or changes the packet is open.
"""

from __future__ import annotations

from enum import StrEnum

from analyzer.facts.links import OtherKind
from analyzer.facts.system import FilterFact, OtherAction
from analyzer.model.network import Namespace
from analyzer.model.unread import UNREAD
from analyzer.model.unread import words as unread_words


class Effect(StrEnum):
    """What an action does with a packet."""

    PASS = "pass"
    PIPE = "pipe"
    CONTINUE = "continue"
    DROP = "drop"
    OPEN = "open"


WORDS = {
    "pass": Effect.PASS,
    "ok": Effect.PASS,
    "pipe": Effect.PIPE,
    "continue": Effect.CONTINUE,
    "unspec": Effect.CONTINUE,
    "drop": Effect.DROP,
    "shot": Effect.DROP,
}
OF_QUEUES = ("priority", "queue_mapping")


def gives_back(space: Namespace, device: str) -> bool:
    """Whether what is redirected out of a device comes back to where it was taken, past the filters there: an ``ifb`` device does that, on which CNI's
    bandwidth plugin delays what pods send (drivers/net/ifb.c ``ifb_ri_tasklet``: ``skb_iif``, ``tc_skip_classify``)."""
    link = space.links.get(device)
    plain = all(fact.hook == "ingress" or not fact.actions for fact in space.filters.get(device, ()))
    return link is not None and link.up and isinstance(link.kind, OtherKind) and link.kind.name == "ifb" and plain


def passing(fact: FilterFact, action: OtherAction) -> str:
    """What has to hold for an open action to do nothing."""
    if fact.classifier == UNREAD:
        return unread_words(fact)
    return f"the tc action {action.name} of {fact.scope} {fact.device} {fact.hook} lets the packet pass unchanged"


def behind_priority(words: list[str]) -> list[str]:
    """What ``skbedit`` does apart from the queue that the packet waits in (net/sched/act_skbedit.c ``tcf_skbedit_act``), which routes and rules do not ask for."""
    while len(words) > 1 and words[0] in OF_QUEUES:
        words = words[2:]
    return words


def effect(action: OtherAction) -> Effect:
    """The effect of an action that is no ``mirred``."""
    words = [word for word in f"{action.name} {action.text}".split() if word not in ("gact", "action")]
    if words[:1] == ["skbedit"]:
        words = behind_priority(words[1:])
    return WORDS.get(words[0], Effect.OPEN) if len(words) == 1 else Effect.OPEN
