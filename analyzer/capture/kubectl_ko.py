"""What ``kubectl ko log`` writes below ``linux/``: the outputs of several commands in one file, as a pasted session.

The plugin's script (``dist/images/kubectl-ko``, ``log_linux``) puts a line of stars with the back end, the table and the family before each ``iptables -S``. The program that
follows it (``linuxTasks``) puts ``Command: ["ip" "-4" "route" "show"]`` before every output. A command that printed nothing failed: its table is not known, and not empty.
"""

from __future__ import annotations

import re

PLACE = re.compile(r"(?:^|/)kubectl-ko-log[^/]*/[^/]+/linux/[^/]+\.log$")
STARS = re.compile(r"^\*{6,} ?(?P<backend>legacy|nft) (?P<table>filter|nat) v(?P<family>[46]) ?\*{6,}$")
COMMAND = re.compile(r'^Command: \[(?P<words>"[^"\\]*"(?: "[^"\\]*")*)\]$')


def session(place: str, text: str) -> str | None:
    """The text with a prompt in place of each line that names a command, every line at its number; None where none does."""
    if PLACE.search(place) is None:
        return None
    lines = text.split("\n")
    commands = [command_of(line) for line in lines]
    if not any(commands):
        return None
    started, shown = False, []
    for number, (line, command) in enumerate(zip(lines, commands, strict=True)):
        started = started or command is not None
        printed = command is not None and printed_something(lines, commands, number + 1)
        shown.append(f"$ {command}" if printed else line if started and command is None else "")
    return "\n".join(shown)


def command_of(line: str) -> str | None:
    """The command that a line names."""
    if found := STARS.match(line):
        program = "iptables" if found["family"] == "4" else "ip6tables"
        return f"{program}-{found['backend']} -S -t {found['table']}"
    if found := COMMAND.match(line):
        return found["words"].replace('"', "")
    return None


def printed_something(lines: list[str], commands: list[str | None], start: int) -> bool:
    """Whether a line that says something follows before the next command."""
    return next((commands[at] is None for at in range(start, len(lines)) if lines[at].strip()), False)
