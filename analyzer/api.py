"""The analyzer from Python: the same answers as the command line, as typed values, which notebooks show as tables (docs/python.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.findings import Report
from analyzer.pipeline import Input, analyze, read_input
from analyzer.report.style import Style
from analyzer.report.text import write
from analyzer.solve.packet import Trace
from analyzer.source import Source

if TYPE_CHECKING:
    from analyzer.policy.profiles import Profile
    from analyzer.query.ask.answers import Answer
    from analyzer.query.connectivity.answer import Connectivity
    from analyzer.query.differences.comparison import Comparison
    from analyzer.query.policies import Policies
    from analyzer.query.suggest.suggestion import Refused, Suggestion
    from analyzer.query.whatif.edits import Edit


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture that was read. ``given`` holds its network, sources and gaps; ``reading`` says how policies are read, where that was told (``read_as``);
    ``elsewhere`` are paths of objects that live elsewhere: nothing is found of them."""

    given: Input
    reading: Profile | None = None
    elsewhere: frozenset[str] = frozenset()

    def read_as(
        self, *, cni: str = "", switches: Mapping[str, str] | None = None, network: str = "", dns: Sequence[str | Path] = ()
    ) -> Capture:
        """The same, its policies read otherwise: by the network system ``cni``, with ``switches`` (``{"blocks-match-pods": "no"}``), on the secondary
        network ``NS/NAME``, names with the addresses of the files ``dns``. As it is read already, but for what is said. ValueError, in words."""
        from analyzer import reading

        given = reading.with_names(self.given, [str(path) for path in dns])
        told = cni or switches or network
        found = reading.profile(given, cni, switches, network) if told else self.reading
        return replace(self, given=given, reading=found)

    def policies(self) -> Policies:
        """What the policies say, as they are read."""
        from analyzer.query.policies import Identity, known, profile_of

        network = self.given.network
        return known(Identity(network.cluster), self.reading or profile_of(network))

    def check(
        self,
        select: tuple[str, ...] = (),
        ignore: tuple[str, ...] = (),
        *,
        ignores: bool = True,
        intents: Sequence[str | Path] = (),
        baseline: str | Path | None = None,
    ) -> Report:
        """The verdicts on the guarantees, their causes, and the findings, with the verdicts on the intents of files. What comments and annotations ignore
        (unless ``ignores`` is false) and what a baseline knows (a report in JSON) stands apart. ValueError, in words, also for a rule that is not there;
        OSError for a file."""
        from analyzer.query.ignoring.about import UNEXPLAINED, UNUSED
        from analyzer.query.ignoring.apart import Ignoring, without_ignored
        from analyzer.query.ignoring.baseline import baseline as known
        from analyzer.query.needed import needed_rules
        from analyzer.query.rules import unheard

        if wrong := "; ".join(unheard((*select, *ignore), {rule.id for rule in (*needed_rules(), UNUSED, UNEXPLAINED)})):
            raise ValueError(wrong)
        earlier = known(str(baseline), Path(baseline).read_text(encoding="utf-8-sig")) if baseline else None
        report = self.with_intents(self.of_here(analyze(self.given, select, ignore)), intents)
        return without_ignored(report, self.given.network, Ignoring((), earlier, ignores, select, ignore))

    def of_here(self, report: Report) -> Report:
        """The report without the findings about objects that live elsewhere."""
        return replace(report, findings=tuple(item for item in report.findings if item.at.path not in self.elsewhere))

    def with_intents(self, report: Report, paths: Sequence[str | Path]) -> Report:
        """The report with the verdicts on the intents of files."""
        if not paths:
            return report
        from analyzer.query.intents import held
        from analyzer.settings.intents import intents_in

        files = [Source(str(path), Path(path).read_text(encoding="utf-8-sig", errors="replace"), "intents") for path in paths]
        found = held(self.policies(), [intent for file in files for intent in intents_in(file.path, file.text)])
        findings, sources = (*report.findings, *found.findings), (*report.sources, *files)
        return replace(report, findings=findings, intents=found.verdicts, sources=sources)

    def text(self) -> str:
        """The report of ``check`` as the command line prints it."""
        return write(self.check(), Style())

    def html(self) -> str:
        """The same as one page that works offline."""
        from analyzer.report.html import draw

        return draw(self.check(), self.given.network, Style())

    def trace(self, source: str, target: str, *, port: int = 0, protocol: str = "", size: int | None = None) -> Trace:
        """One packet there and back; endpoints as on the command line (``default/web-1``, ``node:n1``, ``svc:default/web``, an address)."""
        from analyzer.query.trace import Question, trace

        return trace(self.given.network, Question(source, target, port=port, protocol=protocol, size=size), self.reading)

    def ask(self, question: str) -> Answer:
        """The answer to a question about policies (docs/ask.md); it is true where it is proved. ValueError where the question cannot be understood."""
        from analyzer.query.ask import ask

        return ask(self.policies(), question)

    def connectivity(self, source: str = "", target: str = "", *, per_pod: bool = False, nodes: bool = False) -> Connectivity:
        """Who may talk to whom by the policies: everybody, or from and to what a name means on the command line. ValueError where it means nobody."""
        from analyzer.query.connectivity.answer import Focus, connectivity
        from analyzer.query.policy_parties import entities_named

        known = self.policies()
        sources, targets = (entities_named(known, text) if text else None for text in (source, target))
        return connectivity(known, Focus(sources, targets, per_pod=per_pod, nodes=nodes))

    def suggest(self, wanted: str | Path = "current") -> Suggestion | Refused:
        """NetworkPolicies that allow exactly what is wanted, proved (docs/suggest.md): ``current``, ``observed``, or the lines of a
        file. ValueError where a line cannot be understood, OSError where the file cannot be read."""
        from analyzer.query.policies import policies, profile_of
        from analyzer.query.suggest import suggestion

        network = self.given.network
        known = policies(network.cluster, self.reading or profile_of(network))
        if wanted == "current":
            return suggestion.suggest(suggestion.wanted_now(known))
        if wanted == "observed":
            return suggestion.suggest(suggestion.wanted_as_observed(network, known))
        lines = Source(str(wanted), Path(wanted).read_text(encoding="utf-8", errors="replace"))
        return suggestion.suggest(suggestion.wanted_in(known, lines))

    def diff(self, other: Capture, *, policies_only: bool = False) -> Comparison:
        """What changes in meaning towards the other; of captures on both sides also in verdicts and findings, unless ``policies_only``."""
        from analyzer.comparing import compare
        from analyzer.query.policies import profile_of

        read = [item.reading or profile_of(item.given.network) for item in (self, other)]
        return compare(self.given, other.given, (read[0], read[1]), policies_only=policies_only)

    def whatif(
        self,
        *edits: Edit,
        apply: Sequence[str | Path] = (),
        delete: Sequence[str] = (),
        label: Mapping[str, str] | None = None,
        scale: Sequence[str] = (),
        move: Sequence[str] = (),
        new_pod: Mapping[str, str] | None = None,
        node_run: Mapping[str, str] | None = None,
    ) -> WhatIf:
        """The capture as it would be after edits, written as on the command line: ``apply`` takes files or texts of objects, ``label``,
        ``new_pod`` and ``node_run`` map their first word to their second. ``edits`` are made first. EditError where one does not fit."""
        from analyzer.comparing import after
        from analyzer.query.whatif import edits as written

        found = [*edits, *(written.Apply(applied(item)) for item in apply), *map(written.delete, delete)]
        found += [written.label(*pair) for pair in (label or {}).items()]
        found += [*map(written.scale, scale), *map(written.move, move)]
        found += [written.new_pod(*pair) for pair in (new_pod or {}).items()]
        found += [written.NodeRun(*pair) for pair in (node_run or {}).items()]
        return WhatIf(self, replace(self, given=after(self.given, found)), tuple(map(str, found)))

    def __repr__(self) -> str:
        network = self.given.network
        return f"<capture: {len(network.namespaces)} namespaces, {len(network.attachments)} pods, {len(self.given.gaps)} gaps>"


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A capture before and after edits: ``after`` answers whatever a capture does, ``diff`` says what changes."""

    before: Capture
    after: Capture
    edits: tuple[str, ...]

    def diff(self, *, policies_only: bool = False) -> Comparison:
        """What the edits change."""
        return self.before.diff(self.after, policies_only=policies_only)

    def __repr__(self) -> str:
        return f"<what if: {'; '.join(self.edits)}>"


def applied(item: str | Path) -> Source:
    """The text of objects that are applied, or of the file that holds them."""
    if isinstance(item, str) and "\n" in item:
        return Source("(applied)", item, "kubernetes")
    return Source(str(item), Path(item).read_text(encoding="utf-8", errors="replace"), "kubernetes")


def load(
    *paths: str | Path, assume_defaults: bool = False, assume: Sequence[str | Path] = (), exclude: Sequence[str] = ()
) -> Capture:
    """Reads files, directories and archives; nothing in them raises. ``assume`` are texts of objects that live elsewhere, or the files that hold
    them: they take part, and nothing is found of them. Files whose path a pattern of ``exclude`` fits (``tests/**``) are not read. OSError for a file of ``assume``."""
    from analyzer.query.ignoring.ignore import glob

    patterns = list(map(glob, exclude))
    more = tuple(replace(applied(item), path=f"(assumed {number})") for number, item in enumerate(assume, 1))
    given = read_input(
        tuple(map(str, paths)),
        assume_defaults=assume_defaults,
        more=more,
        skip=(lambda path: any(pattern.fullmatch(path) for pattern in patterns)) if patterns else None,
    )
    return Capture(given, elsewhere=frozenset(source.path for source in more))
