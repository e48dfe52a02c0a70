"""The network systems that are understood, one file for each, ending in ``SYSTEM``. ``docs/systems.md`` is made of them:

    python -m tests.systems > docs/systems.md

What a file names must be there: parsers, plugins, rules, scenarios of the lab, samples and real files (``tests/test_systems.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

OPEN_VSWITCH = ("ovs-show", "ovs-flows", "ovs-list", "ovs-ports", "ovs-groups", "ovs-datapath")
OVN = ("ovn-show", "ovn-list", "ovn-chassis", "ovn-flows")


@dataclass(frozen=True, slots=True)
class System:
    """One network system, and what of it is read, decided and tried.

    ``order`` sorts the rows. ``parsers`` are kinds of texts (``Parser.kind``) and ``plugins`` CNI plugins whose constraints are known;
    ``settings`` are files of ``analyzer/model/systems``; ``profile`` is how it reads policies (``policy/profiles.py``).
    ``decided`` are captures below ``samples`` whose verdicts the row counts: a guarantee stands in the row when one of them is proved or refuted.
    ``rules`` and ``samples`` are patterns (``samples`` below the folder of that name), ``scenarios`` names of the lab, ``real`` patterns below the folder of real files.
    ``tests`` are modules of this folder's parent that try the system otherwise. ``limits`` says what is not covered.
    """

    title: str
    order: int
    parsers: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    profile: str = ""
    rules: tuple[str, ...] = ()
    decided: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    real: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    limits: str = ""
