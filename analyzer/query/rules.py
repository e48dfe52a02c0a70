"""Runs the rules: the shipped ones and a user's own, chosen by id; findings in one order, and none lost when a rule fails."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from analyzer.findings import Certainty, Finding, Severity
from analyzer.model.network import Network
from analyzer.plugins import folder_constants, shipped
from analyzer.query.needed import concerned, needed_rules, there
from analyzer.rule import Options, Rule
from analyzer.source import Span

FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}
INTERNAL = "internal-error"
Spread = Callable[[Sequence[Rule], Callable[[Rule], list[Finding]]], Sequence[list[Finding]]]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What settings make of rules: the severity of their findings by patterns of ids (the last that fits counts), and the options of each by id."""

    severities: tuple[tuple[str, Severity], ...] = ()
    options: Mapping[str, Options] = field(default_factory=dict)

    def severity(self, finding: Finding) -> Finding:
        """The finding with the severity that is wanted."""
        found = [severity for pattern, severity in self.severities if fnmatchcase(finding.rule, pattern)]
        return replace(finding, severity=found[-1]) if found and finding.rule != INTERNAL else finding


@lru_cache(maxsize=1)
def all_rules() -> tuple[Rule, ...]:
    """Every shipped rule, by id."""
    return by_id(folder_constants(shipped("rules"), "RULE", Rule))


def rules_in(folder: Path) -> tuple[Rule, ...]:
    """Every rule of a team's folder, by id, as its files are now; ValueError where two have one id."""
    return by_id(folder_constants(folder, "RULE", Rule, anew=True))


def by_id(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Rules in their order; ValueError where two have one id."""
    found = sorted(rules, key=lambda rule: rule.id)
    for one, two in pairwise(found):
        if one.id == two.id:
            raise ValueError(f"two rules have the id {one.id}")
    return tuple(found)


def with_own(folders: Iterable[Path], shipped: Iterable[Rule] | None = None) -> tuple[Rule, ...]:
    """The shipped rules (those given, or all with their files) and those of a team's folders, by id. ValueError, in words, where a folder or a file in it
    cannot be taken."""
    rules = list(all_rules() if shipped is None else shipped)
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"{folder}: there is no such folder of rules")
        try:
            rules += rules_in(folder.resolve())
        except (*FAILURES, ImportError, SyntaxError, NameError) as problem:
            raise ValueError(f"{folder}: {type(problem).__name__}: {problem}") from None
    return by_id(rules)


def one_by_one(rules: Sequence[Rule], work: Callable[[Rule], list[Finding]]) -> Sequence[list[Finding]]:
    """All rules one after the other."""
    return [work(rule) for rule in rules]


def check(
    network: Network,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    rules: Sequence[Rule] | None = None,
    tuning: Tuning | None = None,
    spread: Spread = one_by_one,
) -> tuple[Finding, ...]:
    """The findings of the chosen rules, the worst first, then by place.

    ``select`` and ``ignore`` hold ids, several of them with commas between, with ``*`` for the rest of a name; without ``select`` all rules run.
    ``spread`` may run rules side by side.
    """
    tuning = tuning or Tuning()
    parts = there(network)
    unread = any(gap.lost and gap.subject == "kubernetes" for gap in network.gaps)
    wanted = [
        rule
        for rule in (needed_rules() if rules is None else rules)
        if chosen(rule.id, select, ignore)
        and (rule.id in tuning.options or concerned(rule, parts))
        and not (rule.absence and unread)
    ]

    def work(rule: Rule) -> list[Finding]:
        return [tuning.severity(finding) for finding in run(rule, network, tuning.options.get(rule.id))]

    return ordered({finding: None for found in spread(wanted, work) for finding in found}, wanted)


def united(found: Sequence[tuple[Finding, ...]], rules: Sequence[Rule] | None) -> tuple[Finding, ...]:
    """The findings of several networks that are read from the same texts, what is said of a place once."""
    if len(found) == 1:
        return found[0]
    every = {(one.rule, one.at, one.message): one for findings in reversed(found) for one in findings}
    return ordered(every.values(), needed_rules() if rules is None else rules)


def ordered(findings: Iterable[Finding], rules: Iterable[Rule]) -> tuple[Finding, ...]:
    """The findings, the worst first, then by place; what follows from another right behind that."""
    return tuple(causes_first(sorted(findings, key=order), {rule.id: rule.follows for rule in rules if rule.follows}))


def causes_first(findings: Sequence[Finding], follows: Mapping[str, Sequence[str]]) -> Iterable[Finding]:
    """The findings in their order, but what follows from another right behind that, as early as the worst of them."""
    causes = {name for names in follows.values() for name in names}
    known = [one for one in findings if one.rule in causes]
    cause_of: dict[Finding, Finding] = {}
    for one in findings:
        near = (
            cause for name in follows.get(one.rule, ()) for cause in known if cause.rule == name and lines(one) & lines(cause)
        )
        if (cause := next(near, None)) is not None and cause is not one:
            cause_of[one] = cause
    behind: dict[Finding, list[Finding]] = {}
    for one, cause in cause_of.items():
        behind.setdefault(cause, []).append(one)
    told: dict[Finding, None] = {}
    for one in findings if cause_of else ():
        waiting = [first_cause(one, cause_of)]
        while waiting:
            if (item := waiting.pop()) not in told:
                told[item] = None
                waiting.extend(reversed(behind.get(item, [])))
    return told if cause_of else findings


def first_cause(finding: Finding, cause_of: Mapping[Finding, Finding]) -> Finding:
    """What a finding follows from in the end."""
    seen = {finding}
    while (cause := cause_of.get(finding)) is not None and cause not in seen:
        finding = cause
        seen.add(finding)
    return finding


def lines(finding: Finding) -> frozenset[tuple[str, int]]:
    """The lines that a finding names."""
    return frozenset((at.path, at.line) for at in (finding.at, *(label.at for label in finding.related)))


def untold(tuning: Tuning, rules: Sequence[Rule]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with a tuning, by rule and option, in words: rules that are not there, options that a rule does not have, values of another type."""
    known = {rule.id: rule for rule in rules}
    for name in [*(name for name, _ in tuning.severities), *tuning.options]:
        if "*" not in name and name not in known:
            near = get_close_matches(name, known, 1)
            yield (name,), f"there is no rule {name}" + (f"; did you mean {near[0]}?" if near else "")
    for name, options in tuning.options.items():
        for key, value in options.items() if name in known else ():
            default = known[name].options.get(key)
            if default is None:
                has = ", ".join(known[name].options) or "none"
                yield (name, key), f"the rule {name} has no option {key}; it has: {has}"
            elif type(value) is not type(default):
                yield (name, key), f"the option {key} of the rule {name} must be {like(default)}, not {value!r}"


def like(default: object) -> str:
    """Of which type an option is, in words."""
    match default:
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case str():
            return "a text"
        case _:
            return "a list of texts"


def chosen(identifier: str, select: Sequence[str], ignore: Sequence[str]) -> bool:
    """Whether a rule is selected and not ignored."""
    selected = not select or any(fnmatchcase(identifier, pattern) for pattern in patterns(select))
    return selected and not any(fnmatchcase(identifier, pattern) for pattern in patterns(ignore))


def unheard(texts: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """What is wrong with patterns that fit no rule, in words; with what is called nearly so."""
    for pattern in patterns(texts):
        if not any(fnmatchcase(identifier, pattern) for identifier in known):
            yield f"there is no rule {pattern}{meant(pattern, known)}"


def meant(name: str, known: Collection[str]) -> str:
    """What may be meant by a name that is not there, as the end of a sentence: names that are nearly so, else those that have it in them."""
    near = get_close_matches(name, sorted(known), 1) or sorted(one for one in known if name.strip("*-") in one)[:5]
    return f"; did you mean {' or '.join(near)}?" if near else "; `analyze rules` lists them"


def patterns(texts: Iterable[str]) -> Iterator[str]:
    """The patterns of options with commas."""
    return (part.strip() for text in texts for part in text.split(",") if part.strip())


def run(rule: Rule, network: Network, options: Options | None = None) -> Iterator[Finding]:
    """The findings of one rule. What it raises becomes a finding of its own: the rest of this rule is lost, and no other."""
    try:
        if options and rule.tuned:
            yield from rule.tuned(network, {**rule.options, **options})
        else:
            yield from rule.check(network)
    except FAILURES as problem:
        text = f"the rule {rule.id} failed: {type(problem).__name__}: {problem}"
        note = "this is a fault of the analyzer; what this rule would have found is not known"
        yield Finding(INTERNAL, Severity.WARNING, text, Span(f"rules/{rule.id}", 1), Certainty.POSSIBLE, note=note)


def order(finding: Finding) -> tuple[object, ...]:
    """The worst first, then by place, rule and text."""
    certain = finding.certainty is not Certainty.VIOLATED
    return RANK[finding.severity], finding.at, finding.rule, finding.message, certain, repr(finding)
