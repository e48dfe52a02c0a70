"""``analyze rules``: the rules, or one rule's manual page."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from inspect import cleandoc

from analyzer.cli.shared import fail
from analyzer.query.rules import all_rules


def options(parser: ArgumentParser) -> None:
    """Adds the rule's id."""
    parser.add_argument("id", nargs="?", help="the rule whose manual page is wanted")


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Prints a line for each rule, or the manual page of one."""
    del parser
    rules = {rule.id: rule for rule in all_rules()}
    if options.id is None:
        width = max(map(len, rules), default=0)
        for rule in rules.values():
            sys.stdout.write(f"{rule.id:{width}}  {rule.severity:7}  {cleandoc(rule.doc).splitlines()[0]}\n")
        return 0
    if options.id not in rules:
        return fail(f"there is no rule {options.id!r}; `analyze rules` lists them")
    rule = rules[options.id]
    sys.stdout.write(f"{rule.id} ({rule.severity})\n\n{cleandoc(rule.doc)}\n")
    return 0
