"""Many clusters at once: both engines say the same, nothing is lost, and what has no answer is told with its reason."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import pytest

import analyzer.report
from analyzer.__main__ import main
from analyzer.cli import fleet
from analyzer.findings import Severity
from analyzer.fleet import local
from analyzer.fleet.child import isolated
from analyzer.fleet.limits import Limits, Lost
from analyzer.query.fleet.answers import Answer, FleetCause, RuleCount, missing
from analyzer.query.fleet.merging import merged
from analyzer.query.fleet.shapes import shape
from analyzer.report import fleet as fleet_text
from analyzer.report import fleet_json, fleet_markdown
from analyzer.report.style import Style
from analyzer.source import Span
from benchmarks.generate import main as generate
from tests import fleet_work
from tests.format_checks import check_github, check_gitlab, check_junit, check_sarif

ROOT = Path(__file__).parent.parent
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((Path(analyzer.report.__file__).parent / "schemas" / "fleet.json").read_text())
)
FAULTY = ["--nodes", "2", "--pods", "2", "--services", "1", "--captures", "--faults", "1"]
SHORT = Limits(1)
Ran = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two captured clusters with faults, one of objects alone, one that is no archive, and a file beside them."""
    folder = tmp_path_factory.mktemp("fleet")
    generate([*FAULTY, "--clusters", "2", "--output", str(folder)])
    generate(
        [
            "--nodes",
            "5",
            "--pods",
            "40",
            "--services",
            "5",
            "--policies",
            "5",
            "--faults",
            "0.5",
            "--output",
            str(folder / "objects"),
        ]
    )
    (folder / "broken.tar.gz").write_bytes(b"\x1f\x8b\x08\x00damaged")
    (folder / "notes.txt").write_text("no cluster")
    return folder


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str]) -> Ran:
    """Runs ``analyze fleet``: its status, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["fleet", *arguments])
        return status, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    """A Dask cluster of two workers in processes of their own."""
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed: the engine dask is not tried")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0, silence_logs=50
        ) as made,
        distributed.Client(made, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("no route to 10.64.3.0/24 on n3", "no route to NETWORK on NODE"),
        ("n1/default_p1-0 sees 192.168.0.11", "NODE/NAMESPACE sees ADDRESS"),
        ("default/web-0 is denied", "POD is denied"),
        ("the MAC 02:02:00:01:00:00 of fd00:10::1 and fe80::1/64", "the MAC MAC of ADDRESS and NETWORK"),
        ("chain KUBE-SVC-ABCDEFGHIJKLMNOP, rule 12 (KUBE-SEP-AB2DEFGHIJKLMNOP)", "chain KUBE-SVC-…, rule N (KUBE-SEP-…)"),
        ("veth1a2b has VNI 5, IPv4", "veth… has VNI N, IPv4"),
        ("filter FORWARD policy DROP", "filter FORWARD policy DROP"),
    ],
)
def test_shapes(message: str, wanted: str) -> None:
    names = {"n1": "NODE", "n3": "NODE", "default_p1-0": "NAMESPACE", "default/web-0": "POD", "default": "NAMESPACE"}
    assert shape(message, names) == wanted


def made(name: str, random: Random) -> Answer:
    """A cluster with some causes and findings."""
    at = [Span(f"f{number}", number + 1) for number in range(3)]
    causes = [FleetCause(random.choice("ab"), f"m{place}", random.randrange(5), ("pod-to-pod",), place, "h") for place in at]
    rules = [RuleCount(f"r{number}", random.choice(list(Severity)), 1 + number, "m", at[number]) for number in range(3)]
    return Answer(name, random.choice((0, 1, 3)), causes=tuple(causes), rules=tuple(rules))


@pytest.mark.parametrize("seed", range(20))
def test_order_changes_nothing_and_nothing_is_lost(seed: int) -> None:
    random = Random(seed)
    answers = [made(f"c{number}", random) for number in range(6)] + [missing("x", "why")]
    wanted = merged(answers)
    assert sum(item.pairs for item in wanted.causes) == sum(cause.pairs for item in answers for cause in item.causes)
    assert sum(item.count for item in wanted.rules) == sum(rule.count for item in answers for rule in item.rules)
    random.shuffle(answers)
    for write in (fleet_text.write, fleet_json.write, fleet_markdown.write):
        assert write(merged(answers), Style()) == write(wanted, Style())


@pytest.mark.parametrize(("statuses", "wanted"), [((0, 3, 1), 1), ((0, 3), 3), ((0, 0), 0)])
def test_the_status_is_the_worst(statuses: tuple[int, ...], wanted: int) -> None:
    assert merged(Answer(f"c{number}", status) for number, status in enumerate(statuses)).status == wanted


def test_text_of_the_input_reaches_no_terminal_and_no_markup() -> None:
    bad = "\x1b[31m<b>|\u202e@team"
    found = merged([replace(missing(bad, bad)), Answer("c", 1, causes=(FleetCause(bad, bad, 1, (), Span(bad, 1), bad),))])
    assert "\x1b" not in fleet_text.write(found, Style())
    markdown = fleet_markdown.write(found, Style())
    assert "\x1b" not in markdown
    assert not [line for line in markdown.splitlines() if "<b>|" in line and line.startswith("|")]


@pytest.fixture(scope="module")
def locally(clusters: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, str]]:
    """The status and the report in each format, by processes of this machine."""
    return reported(clusters, tmp_path_factory.mktemp("local"))


def reported(clusters: Path, folder: Path, *more: str) -> tuple[int, dict[str, str]]:
    """The status and the report in each format."""
    files = {name: folder / name for name in fleet.FORMATS}
    outputs = [word for name, path in files.items() for word in ("-o", f"{name}:{path}")]
    status = main(["fleet", str(clusters), "--each", "-q", *outputs, *more])
    return status, {name: path.read_text() for name, path in files.items()}


def test_tools_are_told_each_cluster(locally: tuple[int, dict[str, str]]) -> None:
    _, texts = locally
    for name, check in {"sarif": check_sarif, "junit": check_junit, "github": check_github, "gitlab": check_gitlab}.items():
        check(texts[name])
        assert "cluster-000" in texts[name], name
        assert "cluster-001" in texts[name], name
    assert "shared-cause" in texts["sarif"]
    assert "broken.tar.gz" in texts["html"]


def test_the_report_says_what_fails_where(locally: tuple[int, dict[str, str]]) -> None:
    status, texts = locally
    document = json.loads(texts["json"])
    SCHEMA.validate(document)
    assert status == document["status"] == 1
    assert [item["cluster"] for item in document["missing"]] == ["broken.tar.gz"]
    assert "broken.tar.gz" in document["missing"][0]["reason"]
    assert len(document["clusters"]) == 4
    failing = {name for item in document["guarantees"] for name in item["fails"]}
    assert {"cluster-000", "cluster-001"} <= failing
    assert max(len(item["clusters"]) for item in document["causes"]) >= 2


def test_one_cluster_is_told_as_check_tells_it(clusters: Path, ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(clusters / "objects")
    status, text, _ = ran(path, "-f", "json", "--ignore", "policy-*", "--fail-on", "warning")
    told = json.loads(text)["clusters"][0]
    assert main([path, "-f", "json", "-q", "--ignore", "policy-*", "--fail-on", "warning"]) == status
    report = json.loads(capsys.readouterr().out)
    assert sum(item["count"] for item in told["findings"]) == len(report["findings"])
    assert told["guarantees"] == [
        {key: value for key, value in item.items() if key != "counterexample"} for item in report["guarantees"]
    ]


def test_settings_and_ignores_count_as_in_check(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    options = [str(ROOT / "samples/lint/shop"), "--config", str(ROOT / "samples/lint/analyzer.yaml"), "-f", "json", "-q"]
    status, text, _ = ran(*options)
    told = json.loads(text)["clusters"][0]
    assert main(options) == status
    report = json.loads(capsys.readouterr().out)
    assert (told["suppressed"], told["intents"]) == (len(report["suppressed"]), report["intents"])
    assert told["suppressed"] > 0
    assert told["intents"]


def test_engines_give_the_same_bytes(clusters: Path, locally: tuple[int, dict[str, str]], tmp_path: Path, dask: Any) -> None:
    assert reported(clusters, tmp_path, "--engine", "dask", "--scheduler", dask.scheduler.address) == locally


def test_parts_of_clusters_give_the_same_bytes(
    clusters: Path, locally: tuple[int, dict[str, str]], tmp_path: Path, dask: Any
) -> None:
    assert reported(clusters, tmp_path, "--parts", "3") == locally
    assert reported(clusters, tmp_path, "--parts", "2", "--engine", "dask", "--scheduler", dask.scheduler.address) == locally


def test_a_dask_worker_that_is_killed_loses_nothing(
    clusters: Path, locally: tuple[int, dict[str, str]], tmp_path: Path, dask: Any
) -> None:
    killed: list[int] = []
    killer = threading.Thread(target=kill_one, args=(dask, killed))
    killer.start()
    found = reported(clusters, tmp_path, "--engine", "dask", "--scheduler", dask.scheduler.address)
    killer.join()
    assert killed
    assert found == locally


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="which processes there are is looked up in /proc")
@pytest.mark.parametrize("seed", range(2))
def test_a_process_that_is_killed_in_parts_of_a_cluster_loses_nothing(
    seed: int, clusters: Path, locally: tuple[int, dict[str, str]], tmp_path: Path
) -> None:
    outputs = [word for name in fleet.FORMATS for word in ("-o", f"{name}:{tmp_path / name}")]
    command = [
        sys.executable,
        "-m",
        "analyzer",
        "fleet",
        str(clusters),
        "--each",
        "-q",
        "--parts",
        "3",
        "--workers",
        "2",
        *outputs,
    ]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    killed = kill_a_child(run, seed * 0.1)
    told = run.communicate()[1]
    assert killed
    assert "Traceback" not in told
    assert (run.returncode, {name: (tmp_path / name).read_text() for name in fleet.FORMATS}) == locally


def kill_a_child(run: subprocess.Popen[str], after: float) -> int:
    """Kills a process of the run while it works, so long after its beginning; its number."""
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    while run.poll() is None and not children.read_text():
        time.sleep(0.001)
    time.sleep(after)
    while run.poll() is None:
        for pid in children.read_text().split():
            os.kill(int(pid), signal.SIGKILL)
            return int(pid)
        time.sleep(0.001)
    return 0


def kill_one(client: Any, killed: list[int]) -> None:
    """Kills the first worker that has something to do."""
    pids = client.run(os.getpid)
    for _ in range(2_000):
        busy = [worker for worker, tasks in client.processing().items() if tasks]
        if busy:
            os.kill(pids[busy[0]], signal.SIGKILL)
            killed.append(pids[busy[0]])
            return
        time.sleep(0.01)


def test_a_dask_task_has_a_time_limit_and_its_worker_goes_on(dask: Any) -> None:
    from analyzer.fleet import on_dask

    found = dict(on_dask.run([b"a"], lambda item: item, "tests.fleet_work:stays", 1, SHORT, dask.scheduler.address))
    assert found == {0: Lost("not done within 1 s (--time-limit)")}
    found = dict(on_dask.run([b"a", b"b"], lambda item: item, "tests.fleet_work:echo", 1, Limits(60), dask.scheduler.address))
    assert found == {0: b"A", 1: b"B"}


def test_no_scheduler_is_a_message(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="dask.distributed is not installed: the engine dask is not tried")
    from analyzer.fleet import on_dask

    monkeypatch.setattr(on_dask, "CONNECTING", 0.5)
    status, text, told = ran("samples/clusters", "--engine", "dask", "--scheduler", "tcp://127.0.0.1:1")
    assert (status, text) == (2, "")
    assert "there is no scheduler of Dask" in told


def test_without_dask_what_to_install_is_said(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    status, _, told = ran("samples/clusters", "--engine", "dask")
    assert status == 2
    assert "pip install 'distributed>=2024'" in told


@pytest.mark.parametrize("work", [fleet_work.stays, fleet_work.slow])
def test_a_task_beyond_its_time_is_told_and_the_rest_is_done(work: Callable[[bytes], bytes]) -> None:
    found = dict(local.run([b"a"], work, 2, SHORT))
    assert found == {0: Lost("not done within 1 s (--time-limit)")}
    assert isolated(b"a", f"tests.fleet_work:{work.__name__}", SHORT) == found[0]


def test_a_task_beyond_its_memory_is_told() -> None:
    limits = Limits(60, 700)
    wanted = Lost("it wanted more memory than the 700 MiB of --memory-limit")
    assert dict(local.run([b"aa"], fleet_work.greedy, 1, limits)) == {0: wanted}
    assert isolated(b"aa", "tests.fleet_work:greedy", limits) == wanted


def test_a_process_that_is_killed_is_begun_again(tmp_path: Path) -> None:
    items = [str(tmp_path / name).encode() for name in "abc"]
    found = dict(local.run(items, fleet_work.dies_once, 2, Limits(60)))
    assert found == {0: b"done", 1: b"done", 2: b"done"}
    assert isolated(str(tmp_path / "d").encode(), "tests.fleet_work:dies_once", Limits(60)) == b"done"


def test_a_process_that_is_killed_again_is_told() -> None:
    found = dict(local.run([b"a"], fleet_work.dies, 1, Limits(60)))[0]
    assert isinstance(found, Lost)
    assert "SIGKILL 2 times" in found.reason
    assert isolated(b"a", "tests.fleet_work:dies", Limits(60)) == found


def test_a_fault_of_the_program_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    found = dict(local.run([b"why"], fleet_work.fails, 1, Limits(60)))[0]
    assert isinstance(found, Lost)
    assert "a fault of the analyzer" in found.reason
    assert isolated(b"why", "tests.fleet_work:fails", Limits(60)) == found
    assert "RuntimeError: why" in capfd.readouterr().err


def test_files_beside_the_clusters_are_named(clusters: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "results", lambda tasks, _: ((place, Lost("")) for place in range(len(tasks))))
    assert "not looked at: notes.txt" in ran(str(clusters), "--each")[2]


def test_an_interrupt_ends_the_work_and_not_the_report(clusters: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(tasks: Any, _: Any) -> Iterator[tuple[int, Answer]]:
        yield 1, Answer(tasks[1].name, 0)
        raise KeyboardInterrupt

    monkeypatch.setattr(fleet, "results", interrupted)
    status, text, told = ran(str(clusters), "--each")
    assert status == 3
    assert "4 clusters: 1 clean, 3 undecided" in text
    assert "interrupted before it had an answer" in text
    assert "3 of 4 clusters have no answer" in told


def test_two_runs_at_once_are_both_whole(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    command = [
        sys.executable,
        "-m",
        "analyzer",
        "fleet",
        "samples/lint/shop",
        "samples/diff/port-changed/old",
        "-q",
        "-o",
        f"json:{target}",
    ]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    texts = [run.communicate()[0] for run in runs]
    assert texts[0] == texts[1]
    SCHEMA.validate(json.loads(target.read_text()))
    assert os.listdir(tmp_path) == ["report.json"]


def test_wrong_usage_is_a_message(ran: Ran, tmp_path: Path) -> None:
    assert ran("-")[0] == 2
    assert ran(str(tmp_path), "--each")[::2] == (2, "analyze: no cluster was found in the input\n")
    assert ran("samples/clusters", "-o", "json:")[0] == 2
    with pytest.raises(SystemExit):
        main(["fleet", "x", "--time-limit", "0"])
