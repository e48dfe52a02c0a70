"""``analyze trace PATH… --from E --to E``: one packet, there and back; ``--batch`` many."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from analyzer.cli.outputs import TOLD as NAMES
from analyzer.cli.outputs import outputs_of
from analyzer.cli.policy_options import policy_options, profile_for, with_names
from analyzer.cli.progress import Progress
from analyzer.cli.shared import (
    fail,
    input_options,
    load,
    nothing,
    output_options,
    paths_from,
    status_of,
    status_options,
    style_for,
    tell_unread,
)
from analyzer.cli.texts import lines_of
from analyzer.cli.writing import write, write_pieces
from analyzer.model.network import Network
from analyzer.pipeline import Input
from analyzer.query.trace import Question, answer_line, as_object, trace
from analyzer.report.traces import trace_text
from analyzer.solve.packet import Fate, Trace
from analyzer.source import Gap

if TYPE_CHECKING:
    from analyzer.policy.profiles import Profile
    from analyzer.report.style import Style

FORMATS = ("text", "json", *NAMES, "svg")
STATUS = {Fate.REACHABLE: 0, Fate.UNREACHABLE: 1, Fate.DEPENDS: 1, Fate.UNKNOWN: 3}


def options(parser: ArgumentParser) -> None:
    """Adds the options of ``trace``."""
    input_options(parser)
    parser.add_argument(
        "--from", dest="source", metavar="E", help="NS/POD, node:NAME, svc:NS/NAME, deploy:NS/NAME, an address, or outside"
    )
    parser.add_argument("--to", dest="target", metavar="E", help="as --from")
    parser.add_argument("--port", metavar="80[/TCP]", help="the destination port and protocol; ICMP without a port is a ping")
    parser.add_argument(
        "--protocol", choices=("TCP", "UDP", "SCTP", "ICMP", "tcp", "udp", "sctp", "icmp"), help="where --port does not say it"
    )
    parser.add_argument(
        "--source-port",
        type=int,
        default=0,
        metavar="N",
        help="the source port, or a ping's identifier: also of a connection that is tracked already (default 40000, of a new one)",
    )
    parser.add_argument("--size", type=int, metavar="N", help="bytes of IP payload, with Don't Fragment")
    parser.add_argument("--enter", metavar="node:NAME/INTERFACE", default="", help="where a packet from outside comes in")
    parser.add_argument("--batch", metavar="FILE", help="one question a line as JSON, or - for stdin; one answer a line")
    policy_options(parser)
    status_options(parser)
    output_options(parser, FORMATS)


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Answers one question or many; the exit status is that of the worst answer."""
    del parser
    if options.batch is None and not (options.source and options.target):
        return fail("trace wants --from and --to, or --batch FILE")
    if options.batch == "-" and "-" in options.paths:
        return fail("stdin cannot be both the capture and the batch")
    progress = Progress(options.quiet)
    given = load(options, progress)
    progress.end()
    if not given.sources:
        return unasked(options, given.unreadable)
    try:
        given = with_names(options, given)
        about_policies = options.cni or options.policy_switch or options.network or not given.network.namespaces
        profile = profile_for(options, given) if about_policies else None
    except ValueError as problem:
        return fail(str(problem))
    try:
        status = single(given, options, profile) if options.batch is None else batch(given.network, options, profile)
    except ValueError as problem:
        return fail(str(problem))
    if given.unreadable and not given.network.namespaces:
        tell_unread(given.unreadable)
        status = status or 3
    return status_of(options, status, given)


def single(given: Input, options: Namespace, profile: Profile | None) -> int:
    """One question. ValueError, in words, where it or the call cannot be understood."""
    outputs = outputs_of(options, FORMATS)
    found = trace(given.network, question(options), profile)
    for name, path in outputs:
        write(path, written(name, found, given, options, style_for(options, to_file=path is not None)))
    return STATUS[found.fate]


def written(name: str, found: Trace, given: Input, options: Namespace, style: Style) -> str:
    """The answer in a format."""
    if name == "text":
        return trace_text(found, style)
    if name == "json":
        return json.dumps({"schema": "analyzer.trace/1", **as_object(found)}, indent=1) + "\n"
    from analyzer.report import told, told_trace

    if name == "svg":
        return told_trace.picture(found)
    ends = options.source, options.target
    return told.write(name, told_trace.told(found, ends, given.sources, paths_from(options.paths, ".")), style)


def question(options: Namespace) -> Question:
    """What is asked. ValueError where the port is none."""
    port, slash, protocol = (options.port or "").partition("/")
    if port and not (port.isdecimal() and int(port) <= 65535):
        raise ValueError(f"--port wants a number such as 80 or 80/TCP, not {options.port!r}")
    return Question(
        options.source,
        options.target,
        protocol=(protocol if slash else options.protocol or "").upper(),
        port=int(port) if port else 0,
        source_port=options.source_port,
        size=options.size,
        enter=options.enter,
    )


def batch(network: Network, options: Namespace, profile: Profile | None) -> int:
    """Many questions: a line of JSON for each, in order. The status is that of the worst answer; a question that was not understood counts as undecided.
    ValueError where the call cannot be understood."""
    statuses = {0}
    tell(options, answer_lines(network, options.batch, profile, statuses))
    return next(status for status in (1, 3, 0) if status in statuses)


def unasked(options: Namespace, unreadable: Iterable[Gap]) -> int:
    """Where there is nothing to analyse, each question of a batch is told so."""
    if options.batch is not None:
        why = "".join(f": {gap.at.path}: {gap.reason}" for gap in unreadable)
        line = json.dumps({"error": f"nothing to analyse was found in the input{why}"}) + "\n"
        try:
            tell(options, (line for _ in questions(options.batch)))
        except ValueError as problem:
            return fail(str(problem))
    return nothing(unreadable)


def tell(options: Namespace, lines: Iterable[str]) -> None:
    """Writes the answers of a batch. ValueError where the questions cannot be read, or more than one file is asked for."""
    outputs = outputs_of(options, ("json", "text"))
    if len(outputs) > 1:
        raise ValueError("--batch writes to one file")
    try:
        write_pieces(outputs[0][1], lines)
    except OSError as problem:
        raise ValueError(f"{options.batch}: {problem.strerror}") from None


def answer_lines(network: Network, path: str, profile: Profile | None, statuses: set[int]) -> Iterator[str]:
    """The answers, each a line; their exit statuses are added to ``statuses``."""
    for line in questions(path):
        result = answer_line(network, line, profile)
        statuses.add(STATUS[Fate(result["verdict"])] if "verdict" in result else 3)
        yield json.dumps(result) + "\n"


def questions(path: str) -> Iterator[str]:
    """The lines of a file or of stdin that are not blank."""
    if path == "-":
        yield from lines_of("<stdin>", sys.stdin)
        return
    with open(path, encoding="utf-8", errors="replace") as file:
        yield from lines_of(path, file)
