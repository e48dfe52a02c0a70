"""Names that are nearly others: of fields, of plugins, of networks."""

from __future__ import annotations

import re

from analyzer.query.cni.configs import plugins

# Names that are shorter are other plugins' too: vxlan is no misspelt vlan.
LEAST = 5


def near_type(kind: str) -> str:
    """The known plugin whose name differs in one letter, or in case, from a type that is none; empty where there is none. Plugins that are not
    known may have any name, so that only what is nearly a known one is doubted."""
    if kind in plugins() or len(kind) < LEAST:
        return ""
    found = [name for name in sorted(plugins()) if len(name) >= LEAST and (kind.lower() == name or close(kind, name))]
    return found[0] if found else ""


def proper_name(name: str) -> str:
    """What to write for a network's name that libcni refuses."""
    found = re.sub(r"[^a-zA-Z0-9_.-]+", "-", name).strip("_.-")
    return f"write {found}" if found else "write letters, digits, '_', '.' and '-' only"


def close(one: str, two: str) -> bool:
    """Whether two words of some length differ by one letter too many, too few or another, or by two neighbours swapped."""
    if min(len(one), len(two)) < 4 or abs(len(one) - len(two)) > 1:
        return False
    start = next((index for index, pair in enumerate(zip(one, two, strict=False)) if pair[0] != pair[1]), min(len(one), len(two)))
    rest = one[start:], two[start:]
    swapped = rest[0][:2] == rest[1][:2][::-1] and rest[0][2:] == rest[1][2:]
    return one != two and (swapped or any(rest[0][a:] == rest[1][b:] for a, b in ((1, 1), (0, 1), (1, 0))))
