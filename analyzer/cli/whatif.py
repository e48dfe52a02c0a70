"""``analyze whatif PATH… EDITS [-- COMMAND …]``: the input as it would be after edits: its difference, or any other command on it."""

from __future__ import annotations

import sys
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from analyzer.cli.diff import answer, difference_options
from analyzer.cli.progress import Progress
from analyzer.cli.shared import fail, input_options, load, nothing
from analyzer.comparing import after
from analyzer.query.whatif.edits import Apply, Edit, EditError, NodeRun, delete, label, move, new_pod, scale
from analyzer.source import Source

AFTER = ("check", "trace", "ask", "connectivity")
LARGEST = 64 << 20


def apply(path: str) -> Apply:
    """``--apply FILE``; ``-`` is stdin."""
    try:
        with nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb") as file:
            data = file.read(LARGEST)
    except OSError as problem:
        raise EditError(f"--apply {path}: {problem.strerror}") from None
    return Apply(Source(path, data.decode("utf-8", "replace"), "kubernetes"))


EDITS: dict[str, tuple[Callable[..., Edit], tuple[str, ...], str]] = {
    "--apply": (apply, ("FILE",), "objects that are made, or changed (- for stdin)"),
    "--delete": (delete, ("KIND/NS/NAME",), "an object that is gone, with what it holds or made"),
    "--label": (
        label,
        ("NS/POD", "k=v,…"),
        "labels that are set (k- takes one away); also of ns:NAME, node:NAME, deploy:NS/NAME",
    ),
    "--scale": (scale, ("KIND/NS/NAME=N",), "a workload that has N pods"),
    "--move": (move, ("KIND/NS/NAME=NEWNS",), "an object that is in another namespace; of ns/NAME all that is in it"),
    "--new-pod": (new_pod, ("NS/NAME", "k=v,…"), "a pod that is not there yet"),
    "--node-run": (NodeRun, ("NODE", "COMMAND"), "what a command such as 'ip route add …' would change; nothing is run"),
}


class Noted(Action):
    """Collects edits of all kinds in the order in which they are given."""

    def __call__(self, parser: ArgumentParser, options: Namespace, values: Any, option: str | None = None) -> None:
        make = EDITS[option or self.option_strings[0]][0]
        try:
            options.edits.append(make(*values))
        except EditError as problem:
            parser.error(str(problem))


def options(parser: ArgumentParser) -> None:
    """Adds the options of ``whatif``."""
    parser.usage = "analyze whatif PATH… EDIT… [options] [-- COMMAND …]"
    input_options(parser)
    for name, (_, shown, text) in EDITS.items():
        parser.add_argument(name, action=Noted, nargs=len(shown), metavar=shown, help=text)
    parser.set_defaults(edits=[], then=[])
    difference_options(parser)
    parser.epilog = (
        f"-- COMMAND …: instead of the difference, the answer of {', '.join(AFTER)} on the edited input; {parser.epilog}"
    )


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Answers with the difference that the edits make; the exit status is that of ``diff``."""
    del parser
    if not options.edits:
        return fail(f"whatif wants an edit: {', '.join(EDITS)}")
    if options.then:
        return on_edited(options, options.then)
    progress = Progress(options.quiet)
    given = load(options, progress)
    if not given.sources:
        progress.end()
        return nothing(given.unreadable, ", ".join(options.paths))
    try:
        then = after(given, options.edits)
    except EditError as problem:
        progress.end()
        return fail(str(problem))
    return answer(options, given, then, (", ".join(options.paths), "; ".join(map(str, options.edits))), progress)


def on_edited(options: Namespace, command: Sequence[str]) -> int:
    """Runs another command on the edited input."""
    name, rest = command[0], list(command[1:])
    if name not in AFTER:
        return fail(f"-- wants one of {', '.join(AFTER)}, not {name!r}")
    module = import_module(f"analyzer.cli.{name}")
    parser = ArgumentParser(prog=f"analyze whatif … -- {name}")
    module.options(parser)
    inner = parser.parse_args([*options.paths, *rest])
    inner.edited, inner.assume_defaults = options.edits, options.assume_defaults
    try:
        status = module.run(inner, parser)
    except EditError as problem:
        return fail(str(problem))
    assert isinstance(status, int)
    return status
