"""Questions about policies, in the language of ``grammars/ask.lark``: proofs, or flows that refute them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from analyzer.findings import Verdict
from analyzer.policy.calico.encapsulation import profile_for
from analyzer.query.ask.answers import Answer
from analyzer.query.ask.asking import Asker, Unanswerable
from analyzer.query.ask.questions import Compare, Names, OneWay, Question, Reach, Which
from analyzer.query.ask.sides import NameProblem
from analyzer.query.ask.syntax import QuestionError, parse
from analyzer.query.ask.unseen import with_unseen
from analyzer.query.once import Identity as OfCluster
from analyzer.query.policies import Policies
from analyzer.query.policies import known as compiled

__all__ = ["Answer", "Asker", "QuestionError", "answer", "ask", "asker_of", "parse"]


class Identity:
    """Policies as a key by which object they are."""

    __slots__ = ("policies",)

    def __init__(self, policies: Policies) -> None:
        self.policies = policies

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.policies is other.policies

    def __hash__(self) -> int:
        return id(self.policies)


def asker_of(policies: Policies) -> Asker:
    """Who answers questions about some policies."""
    return asker(Identity(policies))


@lru_cache(maxsize=4)
def asker(key: Identity) -> Asker:
    """Who answers, with what was worked out for earlier questions."""
    return Asker(key.policies)


def ask(policies: Policies, text: str) -> Answer:
    """The answer to a question. QuestionError where it cannot be understood, with the place and what was expected."""
    return answer(asker_of(policies), text, parse(text))


def answer(known: Asker, text: str, question: Question) -> Answer:
    """The answer to a question that was read."""

    shown, known = " ".join(text.split()), for_overlays(known, question)
    try:
        found = answered(known, shown, question)
        found = replace(found, notes=(*found.notes, *known.suppositions))
        if known.open_families and not isinstance(question, (Compare, Which)):
            found = in_both(found, answered(known.without_six, shown, question))
        return with_unseen(known.policies, question, found)
    except NameProblem as problem:
        raise QuestionError(shown, problem.word.column, f"column {problem.word.column}: {problem}") from None
    except Unanswerable as problem:
        raise QuestionError(shown, 1, str(problem)) from None


def for_overlays(known: Asker, question: Question) -> Asker:
    """Who answers a question about packets that look like those of an overlay, which some systems drop; else the same."""
    asked = () if isinstance(question, Compare) else question.details.ports
    world = known.policies.world
    profile = profile_for(world, asked)
    return known if profile == world.profile else asker_of(compiled(OfCluster(world.cluster), profile))


def in_both(found: Answer, alone: Answer) -> Answer:
    """The answer where it is not known whether there is IPv6: ``alone`` is the one without it."""
    if found.verdict is alone.verdict:
        return found
    text = (
        f"whether there is IPv6, in which policies have blocks: no address is given, and without it the answer is {alone.verdict}"
    )
    return replace(found, verdict=Verdict.UNDECIDED, settle=(*found.settle, text))


def answered(known: Asker, text: str, question: Question) -> Answer:
    """Each kind of question where it is answered; what it needs is imported when it is asked."""
    match question:
        case Compare():
            from analyzer.query.ask.subsets import compare

            return compare(known, text, question)
        case OneWay():
            from analyzer.query.ask.walks import one_way

            return one_way(known, text, question)
        case Which():
            from analyzer.query.ask.deciding import which

            return which(known, text, question)
        case Reach(source=Names(), target=Names()) if question.details.hops == 1:
            from analyzer.query.ask.reaching import reach

            return reach(known, text, question)
        case Reach(source=Names(), target=Names()):
            from analyzer.query.ask.walks import hops

            return hops(known, text, question)
        case Reach():
            from analyzer.query.ask.opening import open_reach

            return open_reach(known, text, question)
