"""The shape of the program: imports point down only, files stay small, slow libraries stay where they belong."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "analyzer"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("source", "pieces", "copies", "addresses", "ranges", "display", "plugins", "memory"),
    ("facts",),
    ("parsers",),
    ("model",),
    ("transfer", "policy"),
    ("solve",),
    ("findings",),
    ("rule", "query"),
    ("report",),
    ("pipeline", "capture", "api", "jobs", "comparing", "environments", "reading", "settings", "fleet"),
    ("cli", "__main__", "__init__"),
)
SLOW = {
    "z3": {
        "solve/smt/symbolic.py",
        "solve/smt/formulas.py",
        "solve/smt/symbolic_labels.py",
        "solve/smt/assignments.py",
        "solve/smt/covers.py",
    }
}
STANDARD_EDGE = ("os", "subprocess", "time", "datetime", "socket")


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def layer(module: str) -> int:
    head = module.split(".")[0] or "__init__"
    for number, names in enumerate(LAYERS):
        if head in names:
            return number
    raise AssertionError(f"analyzer.{module} is on no layer")


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_point_down(path: Path) -> None:
    for imported in imports(path):
        if imported.startswith("analyzer."):
            target = imported.removeprefix("analyzer.")
            assert layer(target) <= layer(name_of(path)), f"{name_of(path)} imports {target}, which lies above it"


EVERY = sorted(path for folder in ("analyzer", "benchmarks", "rules", "tests") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_slow_libraries_stay_in_their_file(path: Path) -> None:
    for imported in imports(path):
        if (home := SLOW.get(imported.split(".")[0])) is not None:
            assert path.relative_to(PACKAGE).as_posix() in home


@pytest.mark.parametrize("path", [p for p in modules() if layer(name_of(p)) < layer("pipeline")], ids=name_of)
def test_only_the_edge_touches_the_world(path: Path) -> None:
    for imported in imports(path):
        assert imported.split(".")[0] not in STANDARD_EDGE, f"{name_of(path)} imports {imported}"
    calls = [n.func.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    assert "print" not in calls
    assert "open" not in calls


def test_the_walk_never_reads_the_language() -> None:
    seen, ahead = set[str](), ["analyzer.solve.walk.concrete"]
    while ahead:
        module = ahead.pop()
        path = ROOT / (module.replace(".", "/") + ".py")
        if module not in seen and path.is_file():
            seen.add(module)
            ahead += wanted(path)
    assert len(seen) > 30
    assert not [module for module in seen if module.startswith("analyzer.transfer")]


def wanted(path: Path) -> Iterator[str]:
    """The modules that a file imports, and those that it takes out of packages."""
    yield from imports(path)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sorted((ROOT / "rules").rglob("*.py")), ids=lambda p: p.stem)
def test_rules_import_only_the_rule_interface(path: Path) -> None:
    for imported in imports(path):
        if imported.startswith("analyzer"):
            assert imported == "analyzer.rule" or imported.startswith("analyzer.query"), f"{path.name} imports {imported}"
