"""Rules of a team's own: ``analyze rules new ID`` writes one that works, ``analyze rules test FOLDER`` runs each on its two samples."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from analyzer.cli.shared import fail
from analyzer.display import counted
from analyzer.model.network import Network
from analyzer.pipeline import read_input
from analyzer.query.rules import all_rules, check, rules_in, with_own
from analyzer.rule import Rule

IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
HEAD = re.compile(r"^-- (\S+) --$", re.MULTILINE)
WANT = "want"

RULE_FILE = '''"""A service has a name that the team does not use.

## What it finds
Services whose name begins with `tmp-`.

## Why it matters
Say what goes wrong, and for whom.

## Example
    metadata: {name: tmp-web}

## How to mend
Say what to do instead.

## Sources
The page, standard or source that the rule follows.
"""

from collections.abc import Iterator

from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for (namespace, name), service in sorted(network.cluster.services.items()):
        if name.startswith("tmp-"):
            yield RULE.finding(service.place("metadata", "name"), f"service {namespace}/{name} is meant to go", help="give it a name that stays")


RULE = Rule("IDENTIFIER", Severity.WARNING, __doc__, check)
'''
SAMPLE = """-- service.yaml --
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: shop}
spec:
  selector: {app: web}
  ports: [{port: 80}]
-- want --
"""


def new(identifier: str, folder: Path) -> int:
    """Writes the rule with its page, and its two samples. Nothing that is there is written over."""
    if not IDENTIFIER.fullmatch(identifier):
        return fail(
            f"{identifier!r} is no id of a rule: small letters and digits, in at least two words with dashes, such as service-name-temporary"
        )
    if any(rule.id == identifier for rule in all_rules()):
        return fail(f"there is a rule {identifier} already: `analyze rules {identifier}`")
    samples = folder / "samples"
    files = {
        folder / f"{identifier}.py": RULE_FILE.replace("IDENTIFIER", identifier),
        samples / f"{identifier}.bad.txt": SAMPLE.replace("NAME", "tmp-web") + f"{identifier} service.yaml:3\n",
        samples / f"{identifier}.good.txt": SAMPLE.replace("NAME", "web"),
    }
    there = next((path for path in files if path.exists()), None)
    if there is not None:
        return fail(f"{there} is there already")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")
    sys.stdout.write(f"run its samples with `analyze rules test {folder}`, and it with `analyze PATH --rules {folder}`\n")
    return 0


def test(folder: Path) -> int:
    """Runs each rule of the folder on its samples: 0 where all say what they want, 1 where one does not."""
    try:
        with_own([folder])
        rules = rules_in(folder.resolve())
    except ValueError as problem:
        return fail(str(problem))
    wrong = [line for rule in rules for line in problems(rule, folder / "samples")]
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    sys.stdout.write(f"{counted(len(rules), 'rule')}, {counted(len(wrong), 'problem')}\n")
    return 1 if wrong or not rules else 0


def problems(rule: Rule, samples: Path) -> Iterator[str]:
    """What the samples of a rule do not have, or what it says of them otherwise than they want."""
    for suffix in ("bad", "good"):
        path = samples / f"{rule.id}.{suffix}.txt"
        if not path.is_file():
            yield f"{path}: there is no such sample"
            continue
        files = files_of(path.read_text(encoding="utf-8"))
        want = [line.strip() for line in files.pop(WANT, "").splitlines() if line.strip()]
        if bool(want) is (suffix == "good"):
            yield f"{path}: a {suffix} sample wants {'nothing' if suffix == 'good' else 'at least one line'} after -- {WANT} --"
        found = [f"{one.rule} {one.at.path}:{one.at.line}" for one in check(network_of(files), rules=(rule,))]
        yield from (f"{path}: wanted, not found: {line}" for line in want if line not in found)
        yield from (f"{path}: found, not wanted: {line}" for line in found if line not in want)


def files_of(text: str) -> dict[str, str]:
    """The files of a sample, by path."""
    parts = HEAD.split(text)[1:]
    return dict(zip(parts[::2], (part.removeprefix("\n") for part in parts[1::2]), strict=True))


def network_of(files: dict[str, str]) -> Network:
    """The network that the files of a sample give: they are read as if they lay in a folder of their own."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="analyze-sample-") as name:
        for path, text in files.items():
            target = (Path(name) / path).resolve()
            if not target.is_relative_to(Path(name).resolve()):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return read_input((name,)).network
