"""Runs the lab for longer: ``python -m tests.lab --seed 7 --predictions 20000``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.lab import guest
from tests.lab.compare import Tally
from tests.lab.machine import missing
from tests.lab.run import Options, run
from tests.lab.scenarios import GUEST_SCENARIOS, SCENARIOS, scenario

LONGEST = 24 * 3600


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed; the networks that follow take the next ones")
    parser.add_argument("--predictions", type=int, default=5000, help="stop when so many were held against the kernel")
    parser.add_argument("--scenario", action="append", help="only these kinds of networks")
    parser.add_argument("--break", dest="named", action="append", help="exactly these breakages")
    parser.add_argument("--limit", type=int, default=200, help="probes for each network")
    parser.add_argument("--most", type=int, default=3, help="breakages for each network")
    parser.add_argument("--keep", action="store_true", help="keep the captures of networks that were predicted wrong")
    parser.add_argument(
        "--engines", action="store_true", help="hold the language and the guarantees' verdicts against the kernel too"
    )
    parser.add_argument("--record", type=Path, help="record the first network in this file, and stop")
    parser.add_argument(
        "--guest", action="store_true", help="run in the guest kernel: its own kinds of networks, or those of --scenario"
    )
    return parser.parse_args()


def main() -> int:
    """Runs networks until there are enough predictions; the exit status is 1 when one was wrong."""
    given = arguments()
    if given.guest:
        return in_guest(given)
    if (reason := missing()) is not None:
        print(reason, file=sys.stderr)
        return 2
    options = Options(
        given.limit, given.most, tuple(given.named) if given.named else None, given.keep, given.record, given.engines
    )
    kinds = [scenario(name) for name in given.scenario] if given.scenario else list(SCENARIOS)
    tally, seed, started = Tally(), given.seed, time.monotonic()
    while tally.predictions < given.predictions:
        chosen = kinds[(seed - given.seed) % len(kinds)] if given.scenario else Random(seed).choice(kinds)
        before = len(tally.wrong)
        run(chosen, seed, tally, options)
        for text in tally.wrong[before:]:
            print(text, flush=True)
        seed += 1
        if given.record:
            break
    print(f"{tally}; {time.monotonic() - started:.0f} s")
    for text, times in tally.unknown.most_common(12):
        print(f"  unknown {times} times: {text}")
    return 1 if tally.wrong else 0


def in_guest(given: argparse.Namespace) -> int:
    """Runs the same command line in the guest kernel; what it is to keep is written here."""
    if (reason := guest.missing()) is not None:
        print(reason, file=sys.stderr)
        return 2
    kinds = [] if given.scenario else [f"--scenario={one.name}" for one in GUEST_SCENARIOS]
    words = [word for word in sys.argv[1:] if word != "--guest"]
    writable = [given.record.resolve().parent] if given.record else [Path(tempfile.gettempdir())] if given.keep else []
    done = guest.run([sys.executable, "-m", "tests.lab", *kinds, *words], LONGEST, writable)
    print(done.output, end="")
    return 2 if done.status is None else done.status


if __name__ == "__main__":
    sys.exit(main())
