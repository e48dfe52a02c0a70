"""``analyze cache``: where answers are kept, how many and how large, and how they are forgotten."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from analyzer.capture.store import MEBIBYTE, PART, opened, usual_folder
from analyzer.cli.shared import fail


def options(parser: ArgumentParser) -> None:
    """Adds the options of ``cache``."""
    parser.add_argument("action", nargs="?", choices=("show", "clear"), default="show", help="show it (the default), or clear it")


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Shows or clears the cache."""
    del parser
    store = opened()
    if store is None:
        return fail(
            f"{usual_folder()}: not used as a cache: it must be a folder of yours that others cannot read, and can be written"
        )
    if options.action == "clear":
        print(f"{store.folder}: {store.clear()} entries deleted")
        return 0
    entries = [(size, path) for _, size, path in store.entries() if path.suffix != PART]
    total = sum(size for size, _ in entries) / MEBIBYTE
    print(f"{store.folder}: {len(entries)} entries, {total:.1f} MiB of at most {store.largest // MEBIBYTE} MiB")
    print("switched off by --no-cache and ANALYZE_CACHE=off")
    return 0
