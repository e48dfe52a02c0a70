"""What the texts of BIRD have in common: its programs' names, the lines around an answer, and the names that Calico gives to its sessions."""

from __future__ import annotations

import re

from analyzer.addresses import Address, address

PROGRAM = r"(calico-node_)?birdc?l?6?(_\S+?)?"
"""``birdc``, ``birdcl``, ``birdc6``, with or without the path of a control socket (in a file's name its slashes are underscores)."""
CODE = re.compile(r"^\d{4}(?:-| (?=BIRD))")
"""What stands before the lines on the control socket itself (lib/…/client protocol: four digits, and a hyphen where lines follow)."""
READY = re.compile(r"BIRD \S+ ready\.|\d{4}$|Access restricted|birdc?l?6?> ")
HEADING = re.compile(r"[Nn]ame +[Pp]roto +[Tt]able +[Ss]tate +[Ss]ince +[Ii]nfo$")
# confd/etc/calico/confd/templates/bird.cfg.template: the address with underscores, perhaps a port behind it.
NAMED = re.compile(r"(?:Mesh|Global|Node|Local_Workload)_(?P<peer>[0-9a-f_]+?)(?:_port_\d+)?")


def heading(line: str) -> bool:
    """Whether a line is around the answer: the greeting, the end of an answer, the titles of columns."""
    return bool(READY.match(line) or HEADING.match(line.strip()))


def peer_of(name: str) -> Address | None:
    """The peer's address in the name that Calico gives to a session (``Mesh_172_18_0_3``); None where the name has none."""
    found = NAMED.fullmatch(name)
    if found is None:
        return None
    text = found["peer"]
    try:
        return address(text.replace("_", "." if text.count("_") == 3 and text.replace("_", "").isdecimal() else ":"))
    except ValueError:
        return None
