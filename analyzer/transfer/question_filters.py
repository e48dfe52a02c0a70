"""What tc's filters may do to questions for neighbours and to their answers, where packets are treated otherwise: what the language says of it is open.

A filter of the protocol ARP sees no packet (``tcf_classify`` of net/sched/cls_api.c compares the protocol of each filter). A program that is not read may
answer itself, or drop the question that nobody answers.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.system import FilterFact, Mirred, OtherAction
from analyzer.model.actions import Effect, effect
from analyzer.model.unread import UNREAD
from analyzer.model.unread import words as unread_words
from analyzer.transfer.cilium.maps import view
from analyzer.transfer.reach import Reach
from analyzer.transfer.space import Context
from analyzer.transfer.traffic_control import about

ARP = frozenset({"arp", "806", "0x806", "0x0806"})
SEEN = {"receive": "ingress", "frame": "egress"}


def of_questions(context: Context, reach: Reach) -> FilterFact | None:
    """A filter on the way that may drop ARP and sees no packets."""
    if context.family == 6:
        return None
    found = (fact for fact in on_the_way(context, reach) if fact.protocol.lower() in ARP)
    return next((fact for fact in found if any(acts(action) for action in fact.actions)), None)


def unread(context: Context, reach: Reach) -> FilterFact | None:
    """A filter that a question meets on its way, of which it is not known what it does."""
    for fact in on_the_way(context, reach, there=True):
        if about(context, fact) and any(not isinstance(one, Mirred) and effect(one) is Effect.OPEN for one in fact.actions):
            return fact
    return None


def acts(action: object) -> bool:
    """Whether an action may keep a frame."""
    return (
        action.redirect if isinstance(action, Mirred) else isinstance(action, OtherAction) and effect(action) is not Effect.PASS
    )


def on_the_way(context: Context, reach: Reach, there: bool = False) -> Iterator[FilterFact]:
    """The filters of the devices that a question passes, at the hooks that it passes; where it is not only ``there``, also its answer. Where a
    program of Cilium is walked, that is read."""
    for stage, at, _ in reach.came:
        filters = context.space(at.scope).filters.get(at.device)
        if filters and stage in SEEN:
            walked = (found := view(context, at.scope)) is not None and found.programmed(at.device)
            met = (fact for fact in filters if fact.hook == SEEN[stage] or (not there and fact.hook in SEEN.values()))
            yield from (fact for fact in met if not walked or fact.classifier == UNREAD)


def words(fact: FilterFact) -> str:
    """That it lets the question and its answer pass."""
    if fact.classifier == UNREAD:
        return unread_words(fact).replace("the packet", "questions for neighbours")
    device = f"{fact.scope} {fact.device} {fact.hook}"
    return f"the tc filter {fact.classifier} of {device} lets questions for neighbours pass unchanged"
