"""What the analyzer says: verdicts on guarantees, findings, and gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from analyzer.display import counted, heading, table
from analyzer.solve.packet import Hop, Packet
from analyzer.source import Gap, Source, Span


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Certainty(StrEnum):
    """VIOLATED: it is so. POSSIBLE: something that is not modelled or not captured could explain it away."""

    VIOLATED = "violated"
    POSSIBLE = "possible"


class Verdict(StrEnum):
    """The answer to a guarantee."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNDECIDED = "undecided"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True, slots=True)
class Label:
    """A place and what is to be said about it."""

    at: Span
    text: str


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A packet and the hops it takes, replayed by the concrete walk; ``reason`` is why it fails, ``assumptions`` what was taken for granted."""

    packet: Packet
    hops: tuple[Hop, ...]
    reason: str
    at: Span | None = None
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement of text in a file: of ``replaces``, where it is said; an edit whose place holds another text is not made."""

    at: Span
    text: str
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Fix:
    """What would mend it: in words or as commands, and as edits where one is safe."""

    text: str
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem, with the place that shows it best first."""

    rule: str
    severity: Severity
    message: str
    at: Span
    certainty: Certainty = Certainty.VIOLATED
    related: tuple[Label, ...] = ()
    note: str = ""
    fix: Fix | None = None
    counterexample: Counterexample | None = None


@dataclass(frozen=True, slots=True)
class Guarantee:
    """The verdict on one guarantee. ``scope`` says over what it was decided, such as ``12 pods on 3 nodes, IPv4``.

    ``broken`` counts the (source, destination) pairs that fail. ``assumptions`` name what the verdict takes for granted.
    ``by_design``: it is refuted by what the network is meant to do, and is no error. ``accepted``: why a refutation is known and counts no more.
    ``cross_checked``: of a proof, for how much of it Z3 was asked the same and agrees."""

    id: str
    verdict: Verdict
    scope: str
    reason: str = ""
    counterexample: Counterexample | None = None
    assumptions: tuple[str, ...] = ()
    broken: int = 0
    checked: int = 0
    by_design: bool = False
    accepted: str = ""
    cross_checked: str = ""

    @property
    def excused(self) -> str:
        """Why a refutation is no error: it is meant, or accepted; else empty."""
        return "by design" if self.by_design else f"accepted: {self.accepted}" if self.accepted else ""

    @property
    def fails(self) -> bool:
        """Whether it is refuted, and that is an error."""
        return self.verdict is Verdict.REFUTED and not self.excused


@dataclass(frozen=True, slots=True)
class Cause:
    """A line of state that explains broken pairs: its place, what is wrong there, how many pairs it explains, an example and a remedy."""

    at: Span
    message: str
    pairs: int
    guarantees: tuple[str, ...] = ()
    related: tuple[Label, ...] = ()
    counterexample: Counterexample | None = None
    fix: Fix | None = None


class Ignored(StrEnum):
    """Who says that a finding does not count: a comment or an annotation beside it, the settings, or an earlier report."""

    IN_SOURCE = "in-source"
    SETTINGS = "settings"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that does not count, who says so, why, and where that is said."""

    finding: Finding
    by: Ignored
    reason: str = ""
    at: Span | None = None


@dataclass(frozen=True, slots=True)
class IntentVerdict:
    """Whether an intent of the team holds (PROVED), does not (REFUTED), or cannot be decided; ``statement`` is what was found of its question."""

    name: str
    verdict: Verdict
    statement: str
    at: Span


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """The answer of ``check``. ``suppressed`` are the findings that do not count; they are in no other part.
    ``baseline`` names the earlier report that this one was held against."""

    guarantees: tuple[Guarantee, ...]
    causes: tuple[Cause, ...]
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    sources: tuple[Source, ...]
    suppressed: tuple[Suppressed, ...] = ()
    baseline: str = ""
    intents: tuple[IntentVerdict, ...] = ()

    def counts(self) -> str:
        """How many there are of each part, in words."""
        verdicts = [item.verdict for item in self.guarantees]
        said = [f"{verdicts.count(word)} {word.value}" for word in (Verdict.PROVED, Verdict.REFUTED, Verdict.UNDECIDED)]
        parts = (counted(len(self.causes), "cause"), counted(len(self.findings), "finding"), counted(len(self.gaps), "gap"))
        return f"guarantees: {', '.join(said)}; {', '.join(parts)}"

    def __repr__(self) -> str:
        return f"<report: {self.counts()}>"

    def _repr_html_(self) -> str:
        """The report as a notebook shows it."""
        decided = [item for item in self.guarantees if item.verdict is not Verdict.NOT_APPLICABLE]
        guarantees = [(item.verdict.value, item.id, item.scope, item.reason) for item in decided]
        causes = [(item.pairs, item.message, item.at, item.fix and item.fix.text) for item in self.causes]
        found = [(item.severity.value, item.rule, item.message, item.at, item.fix and item.fix.text) for item in self.findings]
        return (
            heading(self.counts())
            + table(("verdict", "guarantee", "over", "why"), guarantees)
            + table(("broken pairs", "cause", "where", "what would mend it"), causes)
            + table(("severity", "rule", "finding", "where", "what would mend it"), found)
            + table(("verdict", "intent"), [(item.verdict.value, item.name) for item in self.intents])
            + table(("not understood", "why"), [(gap.at, gap.reason) for gap in self.gaps])
        )


def fingerprint(item: Finding, sources: Mapping[str, Source], path: str = "") -> str:
    """What stays the same when lines move: the rule, the file (``path``: the name that it had), and the text of the line."""
    source = sources.get(item.at.path)
    line = " ".join(source.shown(item.at).split()) if source else ""
    return sha256("\0".join((item.rule, path or item.at.path, line, item.message)).encode("utf-8", "surrogatepass")).hexdigest()[
        :32
    ]
