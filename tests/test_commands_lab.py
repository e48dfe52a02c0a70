"""Commands as edits of a capture, held against a second capture that was made after them. See tests/lab/README.md."""

from __future__ import annotations

import pytest

from tests.lab import commands
from tests.lab.machine import Machine, missing

REASON = missing()

pytestmark = [pytest.mark.lab, pytest.mark.skipif(REASON is not None, reason=REASON or "")]


@pytest.mark.parametrize("group", commands.DONE, ids=lambda group: group[0].split(";")[-1].strip().replace(" ", "-"))
def test_a_capture_after_commands_is_what_is_captured_after_them(group: tuple[str, ...]) -> None:
    with Machine() as machine:
        machine.start({"name": "n1", "node": True})
        machine.run("n1", commands.SETUP)
        assert not commands.differences(machine, group)


def test_what_the_kernel_refuses_is_refused() -> None:
    with Machine() as machine:
        machine.start({"name": "n1", "node": True})
        machine.run("n1", commands.SETUP)
        assert not commands.accepted(machine, commands.REFUSED)
