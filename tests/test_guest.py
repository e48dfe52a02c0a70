"""What this machine's kernel was built without, decided by another kernel that runs as a program. See tests/lab/guest.py."""

from __future__ import annotations

import re
import sys

import pytest

from tests.lab import guest, machine
from tests.lab.scenarios import GUEST_SCENARIOS

PREDICTIONS, SECONDS = 24, 600

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("kernel")]


@pytest.fixture(scope="module")
def kernel() -> None:
    """A guest kernel starts here; else the tests are skipped, and say why not."""
    if (reason := machine.missing() or guest.missing()) is not None:
        pytest.skip(reason)


@pytest.mark.parametrize("name", [one.name for one in GUEST_SCENARIOS])
def test_the_guest_kernel_agrees(name: str) -> None:
    asked = f"--scenario {name} --seed 1 --limit {PREDICTIONS} --predictions {PREDICTIONS // 2} --most 2 --engines"
    done = guest.run([sys.executable, "-m", "tests.lab", *asked.split()], SECONDS)
    assert done.status == 0, done.output
    held = re.findall(r"(\d+) predictions held against the kernel, 0 wrong", done.output)
    assert int(held[0]) >= PREDICTIONS // 2, done.output


def test_the_guest_changes_no_file_of_this_machine() -> None:
    done = guest.run(["sh", "-c", "echo changed > tests/test_guest.py; cat tests/test_guest.py; exit 3"], SECONDS)
    assert (done.status, done.output) == (3, "changed\n")
    with open(__file__) as text:
        assert text.readline() != "changed\n"
