"""``python -m benchmarks.beside FOLDER``: the check of a folder of manifests, beside other programs that read them and are there, in CPU seconds.

The other programs look for other things; what they take says what the reading of as many manifests costs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PLAIN = "import sys, yaml; [list(yaml.load_all(open(path), yaml.{})) for path in sys.argv[1:]]"


def programs(folder: Path) -> dict[str, list[str]]:
    """How each program is called."""
    files = sorted(map(str, folder.glob("*.yaml")))
    return {
        "`analyze check`": [sys.executable, "-m", "analyzer", "check", str(folder), "--no-cache", "--jobs", "1"],
        "kube-score": ["kube-score", "score", *files],
        "kube-linter": ["kube-linter", "lint", str(folder)],
        "yamllint": ["yamllint", "-d", "relaxed", str(folder)],
        "PyYAML, `CSafeLoader`, alone": [sys.executable, "-c", PLAIN.format("CSafeLoader"), *files],
        "PyYAML, `SafeLoader`, alone": [sys.executable, "-c", PLAIN.format("SafeLoader"), *files],
    }


def taken(command: list[str]) -> tuple[float, float]:
    """CPU seconds and the largest MB of a program."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main(folder: Path) -> None:
    """Prints a row for each program that is there."""
    print("| program | CPU s | largest MB |\n|---|---|---|")
    for name, command in programs(folder).items():
        if shutil.which(command[0]):
            seconds, size = taken(command)
            print(f"| {name} | {seconds:.2f} | {size:.0f} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
