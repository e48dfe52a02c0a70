"""Captures that other tools make are read as they are: ``samples/captures/<capture>.txt`` has the files of one, under the names that its tool gives them; ``.expected`` says
which nodes and namespaces it is about, how many facts of each kind it gives, what is not understood, and what a capture of its kind lacks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from analyzer.capture import load
from analyzer.capture.iptables_xml import saved
from analyzer.capture.kinds import KINDS
from analyzer.capture.layout import position
from analyzer.capture.reading import facts
from analyzer.facts.netfilter import Verdict
from analyzer.model.build import build
from analyzer.pipeline import analyze, read_input
from analyzer.source import Gap, Scope
from tests.captures import files_of, network_of

SAMPLES = Path(__file__).parent.parent / "samples" / "captures"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.txt"))


def written(files: dict[str, str], folder: Path) -> Path:
    """The folder with the files in it."""
    for name, text in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder


def summary(folder: Path) -> str:
    """What is read of a capture, as text."""
    loaded = load((str(folder),))
    known, gaps = facts(loaded.sources)
    build(loaded.sources, known, (*loaded.gaps, *gaps))
    kinds = {source.path: source.kind for source in loaded.sources if source.kind != "pasted"}
    about: dict[str, Counter[str]] = {}
    for fact in known:
        about.setdefault(str(fact.scope or "the cluster"), Counter())[kinds[fact.at.path]] += 1
    lines = [
        f"{scope}: {', '.join(f'{kind} {count}' for kind, count in sorted(found.items()))}"
        for scope, found in sorted(about.items())
    ]
    lines += [f"gap {told(gap)}" for gap in sorted({*loaded.gaps, *gaps})]
    lines += [f"note {told(gap)}" for gap in loaded.notes]
    return "\n".join((*lines, f"passed over: {loaded.ignored}", ""))


def told(gap: Gap) -> str:
    """A gap in a line."""
    return f"{gap.at.path}:{gap.at.line}: {gap.reason}"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_of_a_capture(name: str, tmp_path: Path, update: bool) -> None:
    expected = SAMPLES / f"{name}.expected"
    found = summary(written(files_of((SAMPLES / f"{name}.txt").read_text()), tmp_path / "given"))
    if update:
        expected.write_text(found)
    assert found == expected.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_capture_is_still_read(name: str, tmp_path: Path) -> None:
    files = files_of((SAMPLES / f"{name}.txt").read_text())
    given = read_input(
        (str(written({path: damage(number, text) for number, (path, text) in enumerate(files.items())}, tmp_path)),)
    )
    report = analyze(given)
    assert report.guarantees
    places = {source.path for source in given.sources} | set(files)
    assert [told(gap) for gap in given.gaps if gap.at.path not in places] == []


def damage(number: int, text: str) -> str:
    """A file cut in the middle, with a line of another kind in it, or with its lines turned round."""
    half = len(text) // 2
    match number % 4:
        case 0:
            return text[:half]
        case 1:
            return f"{text[:half]}\n{{[(<?? \x01\n{text[half:]}"
        case 2:
            return "".join(reversed(text.splitlines(keepends=True)))
        case _:
            return ""


def test_a_table_that_is_there_twice_is_the_one_that_is_understood(tmp_path: Path) -> None:
    """cilium-bugtool keeps ``iptables -L -v``, with names, beside ``iptables -S``."""
    chains = "".join(f"Chain {name} (policy ACCEPT 0 packets, 0 bytes)\n{HEAD_OF_LIST}\n" for name in ("FORWARD", "OUTPUT"))
    named = f"Chain INPUT (policy ACCEPT 0 packets, 0 bytes)\n{HEAD_OF_LIST}    0     0 DROP  all  --  any    any  !localhost  anywhere\n"
    saved = "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-A INPUT ! -s 127.0.0.1/32 -j DROP\n"
    files = {
        "cmd/ip-a.md": ("ip a", LINKS),
        "cmd/iptables--L--v.md": ("iptables -L -v", f"{named}\n{chains}"),
        "cmd/iptables--S.md": ("iptables -S", saved),
    }
    network = network_of(
        {path: f"# {command}\n\n```\n{text}```\n" for path, (command, text) in files.items()}, tmp_path / "given"
    )
    (space,) = network.namespaces.values()
    (rule,) = space.rulesets[0].tables["filter"]["INPUT"].rules
    assert rule.target == Verdict("DROP")


LINKS = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"
BOTH = (SAMPLES.parent / "parsers" / "iptables-save" / "both-families.txt").read_text()


@pytest.mark.parametrize(("legacy", "known"), [("", True), ("error: unable to upgrade connection: container not found\n", False)])
def test_rulesets_are_known_by_what_their_commands_printed(legacy: str, known: bool, tmp_path: Path) -> None:
    """antctl writes both families into one file; calicoctl writes what ``kubectl exec`` complains of into the command's."""
    files = {"nodes/n1/ip_addr": LINKS, "nodes/n1/iptables-save": BOTH, "nodes/n1/iptables-legacy-save": legacy}
    (space,) = network_of(files, tmp_path / "given").namespaces.values()
    assert {key for key in space.missing if key.startswith("netfilter")} == (set() if known else {"netfilter-legacy"})


HEAD_OF_LIST = " pkts bytes target     prot opt in     out     source               destination\n"
XML = '<iptables-rules version="1.0">{}</iptables-rules>'
RULE = '<table name="filter"><chain name="INPUT" policy="DROP"><rule>{}</rule></chain></table>'


@pytest.mark.parametrize(
    ("inside", "line"),
    [
        (
            "<conditions><match><i invert='1'>eth0</i><f/></match></conditions><actions><ACCEPT/></actions>",
            "-A INPUT ! -i eth0 -f -j ACCEPT",
        ),
        (
            "<actions><REJECT><reject-with>tcp-reset</reject-with></REJECT></actions>",
            "-A INPUT -j REJECT --reject-with tcp-reset",
        ),
        (
            "<conditions><set><match-set>a src</match-set></set></conditions><actions><goto><X/></goto></actions>",
            "-A INPUT -m set --match-set a src -g X",
        ),
    ],
)
def test_a_rule_in_xml_is_that_of_iptables_save(inside: str, line: str) -> None:
    assert saved(XML.format(RULE.format(inside))).splitlines() == ["*filter", ":INPUT DROP [0:0]", line, "COMMIT"]


@pytest.mark.parametrize("text", ["<a", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "iptables-xml: not found"])
def test_what_is_no_xml_of_iptables_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="iptables"):
        saved(text)


def test_each_kind_of_capture_is_told_in_a_sample() -> None:
    notes = "\n".join(path.read_text() for path in SAMPLES.glob("*.expected"))
    assert [one.name for one in KINDS if one.name not in notes] == []


OF_MUST_GATHER = {
    "must-gather.local.1/image/host_network_logs/ip-address-n1.example.com.log": ("n1.example.com", "ip_address"),
    "must-gather.local.1/image/host_network_logs/ip-route6-n2.log": ("n2", "ip_-6_route"),
    "must-gather.local.1/image/sos_info/networking/192.168.0.13-ip -6 rule.log": ("192.168.0.13", "ip_-6_rule"),
    "must-gather.local.1/image/host_network_logs/ip-other-n2.log": ("host_network_logs", "ip-other-n2.log"),
}


@pytest.mark.parametrize("place", OF_MUST_GATHER)
def test_what_must_gather_keeps_of_all_nodes_in_one_folder_is_of_each(place: str) -> None:
    found = position(place, named=False)
    assert (found.scope, found.name) == (Scope(OF_MUST_GATHER[place][0]), OF_MUST_GATHER[place][1])


@pytest.mark.parametrize("name", NAMES)
def test_a_capture_is_answered(name: str, tmp_path: Path) -> None:
    report = analyze(read_input((str(written(files_of((SAMPLES / f"{name}.txt").read_text()), tmp_path)),)))
    assert report.guarantees or report.gaps
