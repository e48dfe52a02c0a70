"""``diff`` and ``whatif`` from Python and from the command line, on objects and on captured node state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import analyzer
from analyzer.api import Capture
from analyzer.cli import run
from analyzer.query.whatif.edits import EditError, NodeRun
from tests.captures import files_of

SAMPLES = Path(__file__).parent.parent / "samples"
SHOP = SAMPLES / "diff" / "port-changed"
HEALTHY = SAMPLES / "healthy" / "flannel-docker-nodelocaldns.txt"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("capture")
    for name, text in files_of(HEALTHY.read_text()).items():
        (found / name).parent.mkdir(parents=True, exist_ok=True)
        (found / name).write_text(text)
    return found


@pytest.fixture(scope="module")
def capture(folder: Path) -> Capture:
    return analyzer.load(folder, assume_defaults=True)


def test_diff_and_whatif_are_values_that_show_themselves() -> None:
    old, new = analyzer.load(SHOP / "old"), analyzer.load(SHOP / "new")
    found = old.diff(new)
    assert found.differs
    assert repr(found.policies.changes[0]).startswith("<changed: shop/front[Deployment] -> shop/api[Deployment]")
    edit = old.whatif(apply=[SHOP / "new" / "objects.yaml"])
    assert edit.diff().policies.changes[0].witness.flow == found.policies.changes[0].witness.flow
    assert not old.whatif(apply=[(SHOP / "old" / "objects.yaml").read_text()]).diff().differs
    gone = old.whatif(delete=["netpol/shop/api-from-front"], label={"deploy:shop/front": "app=web"})
    assert "delete netpol/shop/api-from-front" in repr(gone)
    assert not gone.after.diff(old.whatif(delete=["netpol/shop/api-from-front"]).after).differs


BREAKING = {
    "ip route replace blackhole 10.244.2.0/24": "blackhole",
    "sysctl -w net.ipv4.ip_forward=0": "does not forward",
    "iptables -I FORWARD -s 10.244.0.0/16 -j DROP": "dropped by filter FORWARD rule 1",
    "ip neigh replace 10.244.2.0 lladdr d6:02:00:00:00:99 dev flannel.1": "no forwarding entry",
    "ip rule add to 10.244.2.0/24 blackhole": "blackhole",
    "bridge fdb del d6:02:00:00:00:02 dev flannel.1": "no forwarding entry",
}


@pytest.mark.parametrize("command", BREAKING)
def test_a_command_that_breaks_the_way_to_another_node_refutes_the_guarantee(capture: Capture, command: str) -> None:
    found = capture.whatif(NodeRun("n1", command)).after.trace("default/web-1", "default/web-2", port=80)
    assert found.fate.value == "unreachable"
    assert BREAKING[command] in " ".join(outcome.reason for outcome in found.outcomes)
    assert capture.trace("default/web-1", "default/web-2", port=80).fate.value != "unreachable"


@pytest.mark.parametrize(
    "commands",
    [
        (
            "ip link set flannel.1 down",
            "ip link set flannel.1 up",
            "ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink",
            "ip neigh add 10.244.2.0 lladdr d6:02:00:00:00:02 dev flannel.1",
        ),
        ("ip route del 10.244.2.0/24", "ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink"),
        ("sysctl -w net.ipv4.ip_forward=0", "sysctl -w net.ipv4.ip_forward=1"),
        ("iptables -I FORWARD 1 -s 10.244.0.0/16 -j DROP", "iptables -D FORWARD 1"),
        ("iptables -I FORWARD 1 -s 10.244.0.0/16 -j DROP", "iptables -D FORWARD -s 10.244.0.0/16 -j DROP"),
        ("ip rule add to 10.244.2.0/24 blackhole", "ip rule del to 10.244.2.0/24 blackhole"),
        ("bridge fdb del d6:02:00:00:00:02 dev flannel.1", "bridge fdb add d6:02:00:00:00:02 dev flannel.1 dst 192.168.0.12"),
        ("ip neigh del 10.244.2.0 dev flannel.1", "ip neigh add 10.244.2.0 lladdr d6:02:00:00:00:02 dev flannel.1"),
    ],
)
def test_what_is_done_and_undone_changes_nothing(capture: Capture, commands: tuple[str, ...]) -> None:
    found = capture
    for command in commands:
        found = found.whatif(node_run={"n1": command}).after
    before, after = (item.trace("default/web-1", "default/web-2", port=80) for item in (capture, found))
    assert (before.fate, [item.delivered_to for item in before.outcomes]) == (
        after.fate,
        [item.delivered_to for item in after.outcomes],
    )


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("rm -rf /", "not understood"),
        ("ip route add 10.244.2.0/24 via 192.168.0.12", "File exists"),
        ("ip route add 10.9.0.0/16 via 1.2.3.4", "invalid gateway"),
        ("ip route add 1.2.3.4/33 dev eth0", "1.2.3.4/33"),
        ("ip route add 10.9.0.0/16", "needs a way"),
        ("ip route del 10.9.0.0/16", "No such process"),
        ("ip link set nothing down", "no device nothing"),
        ("ip link set flannel.1 mtu 5", "not understood"),
        ("ip neigh replace 10.244.2.0 dev flannel.1", "lladdr"),
        ("ip rule del to 10.244.2.0/24 blackhole", "no such rule"),
        ("bridge fdb del 00:00:00:00:00:09 dev flannel.1", "no such entry"),
        ("iptables -D FORWARD 99", "rules"),
        ("iptables -A NOWHERE -j DROP", "no chain NOWHERE"),
        ("iptables -t foo -A FORWARD -j DROP", "filter|nat"),
        ("ip6tables -A FORWARD -j DROP", "was not captured"),
        ("sysctl -w", "KEY=VALUE"),
        ("ip route add 'x", "No closing quotation"),
        ("", "not understood"),
    ],
)
def test_a_command_that_is_not_understood_or_refused_says_so(capture: Capture, command: str, message: str) -> None:
    with pytest.raises(EditError) as problem:
        capture.whatif(node_run={"n1": command})
    assert message in str(problem.value)


def test_a_node_that_was_not_captured_is_named(capture: Capture) -> None:
    with pytest.raises(EditError, match="captured: n1"):
        capture.whatif(node_run={"n9": "sysctl -w net.ipv4.ip_forward=0"})


def test_a_difference_of_captures_tells_verdicts_and_findings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "whatif",
        "-q",
        "--assume-defaults",
        str(folder),
        "--node-run",
        "n1",
        "ip link set dev flannel.1 down",
        "-f",
        "json",
    ]
    assert run(arguments) == 1
    found = json.loads(capsys.readouterr().out)
    verdicts = {item["id"]: (item["old"]["verdict"], item["new"]["verdict"]) for item in found["guarantees"]}
    assert verdicts["pod-to-pod"] == ("proved", "refuted")
    assert "tunnel-down" in {item["rule"] for item in found["findings"]["appeared"]}
    assert found["changes"] == []


def test_findings_keep_their_identity_when_lines_move(capture: Capture, folder: Path, tmp_path: Path) -> None:
    broken = capture.whatif(node_run={"n1": "ip link set dev flannel.1 down"}).after
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            target = tmp_path / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path.read_text() if path.suffix != ".yaml" else "\n\n" + path.read_text())
    moved = analyzer.load(tmp_path, assume_defaults=True).whatif(node_run={"n1": "ip link set dev flannel.1 down"}).after
    found = broken.diff(moved)
    assert not found.appeared
    assert not found.disappeared


def test_another_command_answers_on_the_edited_input(capsys: pytest.CaptureFixture[str]) -> None:
    old = str(SHOP / "old")
    assert run(["connectivity", "-q", old]) == 0
    before = capsys.readouterr().out
    assert run(["whatif", "-q", old, "--delete", "netpol/shop/api-from-front", "--", "connectivity"]) == 0
    assert capsys.readouterr().out != before
    assert run(["whatif", "-q", old, "--delete", "netpol/shop/none", "--", "connectivity"]) == 2
    assert "there is no netpol/shop/none" in capsys.readouterr().err
    assert run(["whatif", "-q", old, "--delete", "netpol/shop/api-from-front", "--", "rules"]) == 2


def test_edits_are_made_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    old = str(SHOP / "old")
    assert run(["whatif", "-q", old, "--new-pod", "shop/x", "app=front", "--label", "shop/x", "app=other"]) == 1
    assert run(["whatif", "-q", old, "--label", "shop/x", "app=other", "--new-pod", "shop/x", "app=front"]) == 2
    assert run(["whatif", "-q", old]) == 2
    assert "wants an edit" in capsys.readouterr().err
