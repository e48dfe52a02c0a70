"""``analyze rules``: the rules, one rule's manual page, and rules of one's own."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from fnmatch import fnmatchcase
from inspect import cleandoc
from pathlib import Path

from analyzer.cli.shared import fail
from analyzer.query.ignoring.about import UNEXPLAINED, UNUSED
from analyzer.query.rules import meant, with_own
from analyzer.rule import Rule


def options(parser: ArgumentParser) -> None:
    """Adds the rule's id, or what to do about rules of one's own."""
    parser.usage = "analyze rules [ID | new ID | test FOLDER] [options]"
    parser.add_argument(
        "id",
        nargs="?",
        help="the rule whose manual page is wanted, or a pattern such as 'policy-*' of those to list; `new` and `test` are about your own rules",
    )
    parser.add_argument("argument", nargs="?", help="the id of the new rule, or the folder of the rules to test")
    parser.add_argument(
        "--rules",
        action="append",
        default=[],
        metavar="FOLDER",
        help="rules of your own; they are Python, and are run (repeatable)",
    )


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Prints a line for each rule or the manual page of one, writes a new rule, or runs a folder's rules on their samples."""
    if options.id in ("new", "test"):
        if not options.argument:
            parser.error(f"`analyze rules {options.id}` wants {'an id' if options.id == 'new' else 'a folder'}")
        from analyzer.cli import own_rules

        if options.id == "new":
            return own_rules.new(options.argument, Path(options.rules[0] if options.rules else "rules"))
        return own_rules.test(Path(options.argument))
    try:
        rules = {
            rule.id: rule for rule in sorted((*with_own(map(Path, options.rules)), UNEXPLAINED, UNUSED), key=lambda rule: rule.id)
        }
    except ValueError as problem:
        return fail(str(problem))
    return shown(rules, options.id)


def shown(rules: dict[str, Rule], wanted: str | None) -> int:
    """All rules, those of a pattern, or the page of one."""
    if wanted is None or "*" in wanted:
        listed = [rule for rule in rules.values() if wanted is None or fnmatchcase(rule.id, wanted)]
        width = max((len(rule.id) for rule in listed), default=0)
        for rule in listed:
            sys.stdout.write(f"{rule.id:{width}}  {rule.severity:7}  {cleandoc(rule.doc).splitlines()[0]}\n")
        return 0 if listed else fail(f"there is no rule {wanted!r}; `analyze rules` lists them")
    if wanted not in rules:
        return fail(f"there is no rule {wanted!r}{meant(wanted, rules)}")
    sys.stdout.write(page(rules[wanted]))
    return 0


def page(rule: Rule) -> str:
    """The manual page of a rule, with its options and how a finding of it is left out."""
    text = f"{rule.id} ({rule.severity})\n\n{cleandoc(rule.doc)}\n"
    if rule.options:
        text += "\n## Options\n" + "".join(f"{name}: {value!r} by default\n" for name, value in rule.options.items())
    return f"{text}\n## To leave a finding out\nWrite `# analyze: ignore[{rule.id}] REASON` on its line or above it; for more than one, `ignores` in the settings.\n"
