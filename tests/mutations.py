"""Small captures with a line or two of a node's files deleted or altered, and the verdicts on them held against the concrete walk.

``python -m tests.mutations --seed 1 --count 500`` tries as many; a failure names its seed, which alone makes it again. A failure is a guarantee
that is proved although a packet breaks it (or it is not known what becomes of one), one that is refuted by a packet that does no such thing, an
exception, and a verdict in which the analyzer contradicts itself.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

from analyzer.findings import Guarantee, Verdict
from analyzer.model.network import Network
from analyzer.pipeline import analyze, read_input
from analyzer.policy.decision import decide as decide_flow
from analyzer.policy.entities import Flow as PolicyFlow
from analyzer.query.causes import Broken
from analyzer.query.guarantees import decide
from analyzer.query.parties import nodes, pods
from analyzer.query.policies import of_network
from analyzer.solve.packet import ICMP, ICMPV6, Packet
from analyzer.solve.walk.concrete import Flow
from benchmarks.capture import Shape, write
from tests.captures import files_of
from tests.lab import record
from tests.walked import KINDS, Ask, Said, asks, said, starts

SAMPLES = Path(__file__).parent.parent / "samples"
FAULTS = (AssertionError, AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RuntimeError)
SECONDS = 60.0
QUIET = ("etc/", "opt/", "var/")
NUMBER = re.compile(r"(?<![\w.:])\d+(?![\w.:])")
ADDRESS = re.compile(
    r"(?<![\w.:])\d+\.\d+\.\d+\.\d+(?:/\d+)?(?![\w.])|(?<![\w:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){3,7}(?:/\d+)?(?![\w:])"
)
WORD = re.compile(r"[A-Za-z][\w.-]*")
Files = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """A sample and what was done to it, in words."""

    sample: str
    files: Files
    changes: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """How many cases were tried, what the verdicts were, and what is wrong."""

    cases: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    weak: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        weak = "".join(f"\n  {count} {text}" for text, count in self.weak.most_common(12))
        return f"{self.cases} cases, {len(self.wrong)} wrong; {dict(sorted(self.verdicts.items()))}; undecided although broken:{weak}"


def folder_of(path: Path) -> dict[str, str]:
    """The files below a folder, by path."""
    return {str(file.relative_to(path)): file.read_text() for file in sorted(path.rglob("*")) if file.is_file()}


def generated(shape: Shape) -> dict[str, str]:
    """A capture that the benchmarks write."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), shape)
        return folder_of(Path(folder))


def recorded(path: Path) -> dict[str, str]:
    """The capture of a recording."""
    with tempfile.TemporaryDirectory() as folder:
        record.unpack(path.read_text(), Path(folder))
        return folder_of(Path(folder))


@cache
def samples() -> Mapping[str, Callable[[], Files]]:
    """The captures that are altered, by name."""
    found: dict[str, Callable[[], Files]] = {
        "generated": lambda: generated(Shape(nodes=2, pods=2, services=2, endpoints=2, node_ports=1)),
        "peer-pods": lambda: folder_of(SAMPLES / "clusters" / "peer-pods"),
    }
    for path in sorted((SAMPLES / "healthy").glob("*.txt")):
        found[f"healthy/{path.stem}"] = lambda path=path: files_of(path.read_text())  # type: ignore[misc]
    for path in sorted((SAMPLES / "truth").glob("*.txt")):
        found[f"truth/{path.stem}"] = lambda path=path: recorded(path)  # type: ignore[misc]
    return found


@cache
def sample(name: str) -> Files:
    """The files of a sample."""
    return samples()[name]()


def case_of(seed: int, only: str = "") -> Case:
    """The case of a seed."""
    random = Random(f"mutation {seed}")
    chosen = random.choice([name for name in samples() if name.startswith(only)])
    files, changes = dict(sample(chosen)), []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if (change := mutated(files, random)) is not None:
            changes.append(change)
    return Case(chosen, files, tuple(changes))


def mutated(files: dict[str, str], random: Random) -> str | None:
    """Alters a line of a file in place; the words for it."""
    path = chosen_file(files, random)
    lines = files[path].split("\n")
    places = [number for number, line in enumerate(lines) if line.strip()]
    if not places:
        return None
    number = random.choice(places)
    kind = random.choice(list(MUTATIONS))
    before = lines[number]
    after = MUTATIONS[kind](lines, number, files, path, random)
    files[path] = "\n".join(lines[:number] + after + lines[number + 1 :])
    return f"{path}:{number + 1}: {kind}\n    - {before[:300]}" + "".join(f"\n    + {line[:300]}" for line in after)


def chosen_file(files: Files, random: Random) -> str:
    """A file: every kind as likely as any other."""
    kinds: dict[str, list[str]] = {}
    for path in files:
        if not path.partition("/")[2].partition("/")[2].startswith(QUIET):
            kinds.setdefault(path.rsplit("/", 1)[-1], []).append(path)
    return random.choice(kinds[random.choice(sorted(kinds))])


def deleted(lines: list[str], number: int, files: Files, path: str, random: Random) -> list[str]:
    """No line."""
    del lines, number, files, path, random
    return []


def doubled(lines: list[str], number: int, files: Files, path: str, random: Random) -> list[str]:
    """The line and another of the file."""
    del files, path
    return [lines[number], random.choice(lines)]


def transplanted(lines: list[str], number: int, files: Files, path: str, random: Random) -> list[str]:
    """The line of another file of the kind in its place."""
    others = [text for other, text in files.items() if other != path and other.rsplit("/", 1)[-1] == path.rsplit("/", 1)[-1]]
    if not others:
        return [lines[number]]
    return [random.choice([line for line in random.choice(others).split("\n") if line.strip()] or [""])]


def renumbered(lines: list[str], number: int, files: Files, path: str, random: Random) -> list[str]:
    """One number changed."""
    del files, path
    found = list(NUMBER.finditer(lines[number]))
    if not found:
        return []
    one = random.choice(found)
    return [put(lines[number], one, str(max(0, random.choice((int(one[0]) + 1, int(one[0]) - 1, 0, 1, 2, 80, 1400)))))]


def readdressed(lines: list[str], number: int, files: Files, path: str, random: Random) -> list[str]:
    """One address, network or MAC changed for another of the capture, or its last digit."""
    del path
    found = list(ADDRESS.finditer(lines[number]))
    if not found:
        return []
    one = random.choice(found)
    every = sorted({other for text in files.values() for other in ADDRESS.findall(text) if alike(other, one[0])})
    return [put(lines[number], one, random.choice([*every, one[0][:-1] + random.choice("0123456789")]))]


def alike(one: str, other: str) -> bool:
    """Whether two are addresses of one kind, each with a length or without."""
    return ("/" in one, "." in one, one.count(":")) == ("/" in other, "." in other, other.count(":"))


def reworded(lines: list[str], number: int, files: Files, path: str, random: Random) -> list[str]:
    """One word changed for another of the file, or for its opposite."""
    del files, path
    found = list(WORD.finditer(lines[number]))
    if not found:
        return []
    one = random.choice(found)
    opposite = OPPOSITES.get(one[0])
    words = sorted({word for line in random.sample(lines, min(len(lines), 40)) for word in WORD.findall(line)})
    return [put(lines[number], one, opposite if opposite and random.random() < 0.8 else random.choice(words))]


def shortened(lines: list[str], number: int, files: Files, path: str, random: Random) -> list[str]:
    """One word left out."""
    del files, path
    words = lines[number].split(" ")
    words.pop(random.randrange(len(words)))
    return [" ".join(words)]


def put(line: str, at: re.Match[str], text: str) -> str:
    """The line with another text at a place."""
    return line[: at.start()] + text + line[at.end() :]


OPPOSITES = {
    "ACCEPT": "DROP", "DROP": "ACCEPT", "RETURN": "DROP", "MASQUERADE": "ACCEPT", "UP": "DOWN", "on": "off", "off": "on",
    "permanent": "offload", "PERMANENT": "FAILED", "REACHABLE": "FAILED", "unicast": "blackhole", "true": "false", "false": "true",
    "Cluster": "Local", "Local": "Cluster", "TCP": "UDP", "UDP": "TCP", "global": "host", "host": "global", "onlink": "linkdown",
}  # fmt: skip
Mutation = Callable[[list[str], int, Files, str, Random], list[str]]
MUTATIONS: Mapping[str, Mutation] = {
    "deleted": deleted,
    "doubled": doubled,
    "transplanted": transplanted,
    "renumbered": renumbered,
    "readdressed": readdressed,
    "reworded": reworded,
    "shortened": shortened,
}


def tried(seed: int, only: str, tally: Tally) -> None:
    """Makes the case of a seed, decides it, and adds what is wrong to the tally."""
    case, begun = case_of(seed, only), time.process_time()
    head = f"seed {seed}, {case.sample}: " + "; ".join(case.changes) + "\n  "
    tally.cases += 1
    try:
        wrong = list(faults(case, seed % 2 == 0, tally))
    except FAULTS as error:
        wrong = [f"{type(error).__name__}: {error}"]
        if "--trace" in sys.argv:
            raise
    if (took := time.process_time() - begun) > SECONDS:
        wrong.append(f"took {took:.0f} s of the processor")
    tally.wrong += [head + text for text in wrong]


def faults(case: Case, assumed: bool, tally: Tally) -> Iterator[str]:
    """What is wrong with the verdicts on a case."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in case.files.items():
            target = Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        given = read_input((folder,), assume_defaults=assumed)
    decided = decide(given.network)
    for guarantee in decided.guarantees:
        tally.verdicts[guarantee.verdict] += 1
        yield from doubtful(given.network, guarantee, tally)
    yield from islice((text for broken in decided.broken for text in unfounded(given.network, broken)), 1)
    if not assumed:
        analyze(replace(given), select=())


# Guarantees that hold where policies allow it.
GOVERNED = frozenset({"pod-to-pod", "node-to-pod", "pod-to-service", "outside-to-service"})


def doubtful(network: Network, guarantee: Guarantee, tally: Tally) -> Iterator[str]:
    """Where a verdict contradicts itself or the walk."""
    if "internal error" in guarantee.reason or "without a decision" in guarantee.reason:
        yield f"{guarantee.id}: {guarantee.reason}"
    if guarantee.id not in KINDS or guarantee.verdict not in (Verdict.PROVED, Verdict.UNDECIDED):
        return
    bad = (*KINDS[guarantee.id], *(("unknown",) if guarantee.verdict is Verdict.PROVED else ()))
    for ask in asks(network, guarantee.id):
        wanted = admitted(network, ask)
        if guarantee.id in GOVERNED and not wanted:
            continue
        found = next((one for one in said(network, ask) if one.kind in bad and (wanted or one.kind != "unknown")), None)
        if found is not None and guarantee.verdict is Verdict.PROVED:
            yield f"{guarantee.id} is proved, but {shown(ask, found)}"
            return
        if found is not None:
            tally.weak[f"{guarantee.id}: {plain(guarantee.reason)} (walk: {plain(found.reason)})"] += 1
            return


def admitted(network: Network, ask: Ask) -> bool:
    """Whether policies admit the packet for sure; what they deny or leave open is not what such a guarantee promises."""
    known, packet = of_network(network), ask.flow.packet
    ends = [known.world.by_name.get(name.split(" ")[0]) for name in (ask.source, ask.target)]
    if known.none:
        return True
    if ends[0] is None or ends[1] is None:
        return False
    port = packet.icmp_type << 8 if packet.protocol in (1, 58) else packet.destination_port
    return decide_flow(known.all, ends[0], ends[1], PolicyFlow(packet.family, packet.protocol, port)).admitted is True


def shown(ask: Ask, one: Said) -> str:
    """A packet and what the walk says of it."""
    return f"{ask.source} to {ask.target} ({ask.flow.packet}): {one.kind}: {one.reason}"


def plain(text: str) -> str:
    """A reason without the names and numbers in it."""
    return re.sub(r"[\w./:-]*\d[\w./:-]*", "N", text)[:150]


def chooses_another(network: Network, source: str, packet: Packet) -> bool:
    """Whether a party sends from an address that it is not known by, as a route may say (``src``): who is asked sees that."""
    own = {
        party.address.value for party in (*pods(network, packet.family), *nodes(network, packet.family)) if party.name == source
    }
    return bool(own) and packet.source not in own


def unfounded(network: Network, broken: Broken) -> Iterator[str]:
    """Where the packet that is to show a broken pair does nothing of the kind, were its port listened on."""
    example = broken.counterexample
    if example is None or broken.guarantee not in KINDS:
        return
    if "source" in KINDS[broken.guarantee] and chooses_another(network, broken.source, example.packet):
        return
    homes = [ask for ask in asks(network, broken.guarantee) if ask.target.split(" ")[0] == broken.target.split(" ")[0]]
    for start in starts(network, example.packet, broken.source):
        for ask in homes[:1]:
            sent = Flow(start, example.packet, served=example.packet.protocol not in (ICMP, ICMPV6))
            again = replace(ask, flow=sent, source=broken.source, target=broken.target)
            if example.packet.destination != ask.flow.packet.destination:
                continue
            if not any(one.kind in KINDS[broken.guarantee] for one in said(network, again)):
                yield f"{broken.guarantee} is refuted by {example.packet} from {broken.source}, which is no failure: {broken.reason}"


def main() -> int:
    """Tries many seeds; the exit status is 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--count", type=int, default=100, help="how many seeds")
    parser.add_argument("--sample", default="", help="only samples whose names begin so")
    parser.add_argument("--trace", action="store_true", help="let exceptions through")
    options = parser.parse_args()
    tally = Tally()
    for seed in range(options.seed, options.seed + options.count):
        before = len(tally.wrong)
        tried(seed, options.sample, tally)
        for text in tally.wrong[before:]:
            print(text, flush=True)
    print(tally)
    return int(bool(tally.wrong))


if __name__ == "__main__":
    sys.exit(main())
