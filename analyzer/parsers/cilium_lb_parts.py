"""``cilium-dbg bpf lb list --frontends``, ``--backends`` and ``--revnat``: the maps that the plain list joins, one by one.

They decide nothing beside that list; each line is looked at, so that an error is not taken for a map.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.parsers import Parser, gap
from analyzer.parsers._cilium import ENDING, PROGRAM, rows
from analyzer.source import Gap, Source

HEADING = re.compile(r"(SERVICE ADDRESS|ID)\s+BACKEND (ADDRESS|ID)")
HOST = r"(\[[^\]]*\]|[\d.]+)"
KEY = re.compile(rf"\d+|{HOST}:\d+(/\w+)?(/i)?( \(\d+\))?")
VALUE = re.compile(rf"|\d+ \d+( \d+)? \(\d+\) \[[^\]]*\]|(\w+://)?{HOST}(:\d+)?(/\w+)?(\s.*)?")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Gaps for lines of another form."""
    for row in rows(source, HEADING):
        if isinstance(row, Gap):
            yield row
        elif not KEY.fullmatch(row.key) or not VALUE.fullmatch(row.value):
            yield gap(
                source, row.at.line, f"expected a line of a load-balancing map, not {row.key[:40]!r} with {row.value[:40]!r}"
            )


PARSER = Parser(
    kind="cilium-lb-parts",
    read=read,
    names=(PROGRAM + r"bpf[-_]lb[-_](list|ls)[-_]+(frontends|backends|revnat|maglev)" + ENDING,),
    content=re.compile(r"^SERVICE ADDRESS\s+BACKEND ID|^ID\s+BACKEND ADDRESS \(REVNAT_ID\)", re.MULTILINE),
)
