"""The analyzer from Python: the same answers as the command line, as typed values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.findings import Report
from analyzer.pipeline import Input, analyze, read_input
from analyzer.report.style import Style
from analyzer.report.text import write
from analyzer.solve.packet import Trace

if TYPE_CHECKING:
    from analyzer.query.ask.answers import Answer
    from analyzer.query.connectivity import Connectivity


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture that was read. ``given`` holds its network, sources and gaps."""

    given: Input

    def check(self, select: tuple[str, ...] = (), ignore: tuple[str, ...] = ()) -> Report:
        """The verdicts on the guarantees, their causes, and the findings."""
        return analyze(self.given, select, ignore)

    def text(self) -> str:
        """The report of ``check`` as the command line prints it."""
        return write(self.check(), Style())

    def trace(self, source: str, target: str, *, port: int = 0, protocol: str = "", size: int | None = None) -> Trace:
        """One packet there and back; endpoints as on the command line (``default/web-1``, ``node:n1``, ``svc:default/web``, an address)."""
        from analyzer.query.trace import Question, trace

        return trace(self.given.network, Question(source, target, port=port, protocol=protocol, size=size))

    def ask(self, question: str) -> Answer:
        """The answer to a question about policies (docs/ask.md); it is true where it is proved. ValueError where the question cannot be understood."""
        from analyzer.query.ask import ask
        from analyzer.query.policies import of_network

        return ask(of_network(self.given.network), question)

    def connectivity(self, source: str = "", target: str = "", *, per_pod: bool = False, nodes: bool = False) -> Connectivity:
        """Who may talk to whom by the policies: everybody, or from and to what a name means on the command line. ValueError where it means nobody."""
        from analyzer.query.connectivity import Focus, connectivity
        from analyzer.query.policies import of_network
        from analyzer.query.policy_parties import entities_named

        known = of_network(self.given.network)
        sources, targets = (entities_named(known, text) if text else None for text in (source, target))
        return connectivity(known, Focus(sources, targets, per_pod=per_pod, nodes=nodes))

    def __repr__(self) -> str:
        network = self.given.network
        return f"<capture: {len(network.namespaces)} namespaces, {len(network.attachments)} pods, {len(self.given.gaps)} gaps>"


def load(*paths: str | Path, assume_defaults: bool = False) -> Capture:
    """Reads files, directories and archives; nothing in them raises."""
    return Capture(read_input(tuple(map(str, paths)), assume_defaults=assume_defaults))
