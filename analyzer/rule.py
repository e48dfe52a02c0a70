"""What a rule file imports: the rule as a value, and helpers to make findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from analyzer.addresses import Address, Prefix, hardware_text
from analyzer.findings import Certainty, Edit, Finding, Fix, Label, Severity
from analyzer.model.network import Attachment, Interface, Namespace, Network
from analyzer.source import Scope, Span

__all__ = [
    "Address",
    "Attachment",
    "Certainty",
    "Edit",
    "Finding",
    "Fix",
    "Interface",
    "Label",
    "Namespace",
    "Network",
    "Options",
    "Prefix",
    "Rule",
    "Scope",
    "Severity",
    "Span",
    "hardware_text",
    "tunable",
]

Option = bool | int | str | tuple[str, ...]
Options = Mapping[str, Option]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its id is its file's name with dashes, its manual page the file's docstring (first line: the summary).

    ``check`` yields findings; what it cannot know it does not claim: a part that was not captured (``Namespace.missing``) or has gaps yields no certain
    finding. ``options`` are what settings may tell it, with their defaults; ``tuned`` is ``check`` with other values of them (``tunable`` makes both).
    ``follows`` names rules whose findings explain this one's where they name one line: they are told together, the cause first. ``looks_at``: the parts of a
    network without which nothing can be found (``query/needed.py``); empty where that is not known. ``absence``: it says what is not there, and so nothing
    where a document of the input could not be read, as that may be where it stands.
    """

    id: str
    severity: Severity
    doc: str
    check: Callable[[Network], Iterable[Finding]]
    options: Options = field(default_factory=dict)
    tuned: Callable[[Network, Options], Iterable[Finding]] | None = None
    follows: tuple[str, ...] = ()
    looks_at: tuple[str, ...] = ()
    absence: bool = False

    def finding(
        self,
        at: Span,
        message: str,
        *,
        related: Iterable[tuple[Span, str]] = (),
        note: str = "",
        help: str = "",
        edits: Iterable[Edit] = (),
        certain: bool = True,
        severity: Severity | None = None,
    ) -> Finding:
        """A finding of this rule. ``help`` says what would mend it, ``edits`` do it where that is safe; ``certain`` False makes it POSSIBLE."""
        return Finding(
            rule=self.id,
            severity=severity or self.severity,
            message=message,
            at=at,
            certainty=Certainty.VIOLATED if certain else Certainty.POSSIBLE,
            related=tuple(Label(place, text) for place, text in related),
            note=note,
            fix=Fix(help, tuple(edits)) if help else None,
        )


def tunable(
    identifier: str,
    severity: Severity,
    doc: str,
    check: Callable[[Network, Options], Iterable[Finding]],
    options: Options,
) -> Rule:
    """A rule that settings can tell something: ``options`` with their defaults."""
    return Rule(identifier, severity, doc, lambda network: check(network, options), options, check)
