"""Where settings come from: ``--config``, else the nearest file upwards from the current folder, inside its repository."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from analyzer.cli.parsers import section
from analyzer.cli.texts import text_now
from analyzer.settings import Settings

NAMES = ("analyzer.yaml", ".analyzer.yaml", "pyproject.toml")
LARGEST = 4 << 20


def settings_options(parser: ArgumentParser) -> None:
    """Adds ``--config`` and ``--no-config``."""
    group = section(parser, "input").add_mutually_exclusive_group()
    group.add_argument("--config", metavar="FILE", help="the settings (default: the nearest analyzer.yaml or [tool.analyzer])")
    group.add_argument("--no-config", action="store_true", help="no settings")


def settings_for(options: Namespace) -> Settings:
    """The settings of the call. ValueError, in words, where there are some that cannot be taken."""
    if options.no_config:
        return Settings()
    path = Path(options.config) if options.config else nearest(Path.cwd())
    if path is None:
        return Settings()
    from analyzer.settings.reading import settings_in

    try:
        text = text_now(options, str(path), LARGEST, errors="strict")
    except OSError as problem:
        raise ValueError(f"{path}: the settings cannot be read: {problem.strerror or problem}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not read: it is no UTF-8 text") from None
    shown = os.path.relpath(path)
    found = settings_in(shown if not shown.startswith("..") else str(path), os.path.relpath(path.parent), text)
    refuse_unknown_system(found)
    return found


def refuse_unknown_system(settings: Settings) -> None:
    """ValueError, in words, where the settings name a network system that there is not."""
    if not settings.cni:
        return
    from analyzer.policy.profiles import profile_named

    try:
        profile_named(settings.cni)
    except ValueError as problem:
        raise ValueError(f"{settings.place('cni')}: cni: {problem}") from None


def nearest(folder: Path) -> Path | None:
    """The nearest file with settings, in this folder or above it, up to the repository's top."""
    for place in (folder, *folder.parents):
        for name in NAMES:
            if (found := place / name).is_file() and (name != "pyproject.toml" or speaks_of_us(found)):
                return found
        if (place / ".git").exists():
            return None
    return None


def speaks_of_us(path: Path) -> bool:
    """Whether a pyproject.toml has a table for the analyzer."""
    try:
        return b"[tool.analyzer" in path.read_bytes()[:LARGEST]
    except OSError:
        return False
