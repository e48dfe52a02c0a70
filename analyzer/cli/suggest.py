"""``analyze connectivity PATH… --suggest``: NetworkPolicies that allow exactly what is wanted, as YAML."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from analyzer.cli.policy_options import profile_for
from analyzer.cli.shared import fail
from analyzer.cli.telling import tell, tell_lines
from analyzer.cli.writing import write
from analyzer.display import counted
from analyzer.memory import without_cycles
from analyzer.pipeline import Input
from analyzer.query.policies import Policies, policies
from analyzer.source import Source

if TYPE_CHECKING:
    from analyzer.query.suggest.suggestion import Wanted

LARGEST = 64 << 20


def suggest_option(parser: ArgumentParser) -> None:
    """Adds ``--suggest``."""
    parser.add_argument(
        "--suggest",
        metavar="current|observed|FILE",
        help="write NetworkPolicies that allow exactly what the policies admit now, what captured connections show, or what the lines of a file want "
        '({"from": E, "to": E, "port": 80, "protocol": "TCP"}), and prove that they do',
    )


def run_suggest(options: Namespace, given: Input) -> int:
    """Writes proved policies; 3, and why, where there are none."""
    from analyzer.query.suggest.suggestion import Refused, suggest

    if options.format or len(options.output) > 1:
        return fail("--suggest writes YAML, to stdout or to one -o FILE")
    if options.source or options.target or options.port or options.exposure:
        return fail("--suggest is about all pods: it goes with no --from, --to, --port or --exposure")
    try:
        with without_cycles():
            known = policies(given.network.cluster, profile_for(options, given))
            wanted = wanted_of(options.suggest, given, known)
            found = suggest(wanted)
    except ValueError as problem:
        return fail(str(problem))
    if isinstance(found, Refused):
        first, *rest = found.reasons
        tell_lines("\n".join([f"analyze: {first}", *(f"  {line}" for line in rest)]))
        return 3
    write(options.output[0] if options.output else None, found.text)
    if not options.quiet:
        for line in found.notes:
            tell(f"analyze: {line}")
        parts = (
            counted(len(given.sources), "file"),
            counted(len(found.policies), "policy", "policies"),
            counted(len(given.gaps), "gap"),
        )
        tell("{}; {}, proved; {}".format(*parts))
    return 3 if given.unreadable or (options.strict and given.gaps) else 0


def wanted_of(text: str, given: Input, known: Policies) -> Wanted:
    """What is wanted. ValueError for a file that cannot be read or understood."""
    from analyzer.query.suggest.suggestion import wanted_as_observed, wanted_in, wanted_now

    match text:
        case "current":
            return wanted_now(known)
        case "observed":
            return wanted_as_observed(given.network, known)
        case _:
            return wanted_in(known, file_named(text))


def file_named(path: str) -> Source:
    """The text of a file. ValueError where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(LARGEST + 1)
    except OSError as problem:
        raise ValueError(f"--suggest wants current, observed or a file, and {path} cannot be read: {problem.strerror}") from None
    if len(text) > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST >> 20} million characters")
    return Source(path, text)
