"""Commands between the rules of a table, as people write them in files for ``iptables-restore`` (iptables/iptables-restore.c gives each line to ``do_command4``):
a rule that is put before others comes before them. What is replaced or deleted is not carried out: the chain begins with a rule that is not known. A policy
that is set between rules may be that of the line that declares the chain in the end: the chain ends in a rule that is not known.
"""

from __future__ import annotations

import re

from analyzer.parsers._iptables_drafts import TableDraft

LONG = {
    "--append": "-A",
    "--insert": "-I",
    "--delete": "-D",
    "--replace": "-R",
    "--flush": "-F",
    "--policy": "-P",
    "--new-chain": "-N",
    "--zero": "-Z",
}
COMMAND = re.compile(r"(-[AIDRFPNZ]|--[a-z-]+)(?:[ \t]+(\S+))?(?:[ \t]+(.*))?$")
PLACE = re.compile(r"(\d+)[ \t]+")


def carried_out(draft: TableDraft, number: int, line: str) -> str | None:
    """Carries out a command: empty where its effect is known, else why it is not; None where the line is no command of these."""
    found = COMMAND.match(line.strip())
    word = LONG.get(found[1], found[1]) if found is not None else ""
    if found is None or word not in LONG.values() or (word not in ("-F", "-Z") and not found[2]):
        return None
    draft.settle()
    chain, rest = found[2] or "", found[3] or ""
    match word:
        case "-A":
            draft.append(chain, number, f"-A {chain} {rest}")
        case "-I" if (place := PLACE.match(rest)) is None or place[1] == "1":
            draft.before(chain, number, f"-A {chain} {rest[place.end() :] if place else rest}")
        case "-P":
            draft.append(chain, number, f"(not carried out: {line.strip()[:60]})")
            return f"whether this sets the policy of {chain} is not known: {line.strip()[:60]!r}"
        case "-N":
            draft.declare(chain, None, number)
        case "-F":
            for name in (chain,) if chain else tuple(draft.blocks):
                draft.blocks[name] = []
        case "-Z":
            pass
        case _:
            draft.before(chain, number, f"(not carried out: {line.strip()[:60]})")
            return f"which rule of {chain} this is about is not known: {line.strip()[:60]!r}"
    return ""
