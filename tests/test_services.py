"""Services for a node's own pods, at load balancers' addresses and at external ones, on the capture of a real network."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.findings import Guarantee, Verdict
from analyzer.pipeline import read_input
from analyzer.query.guarantees import Decided, decide
from benchmarks.capture import Shape, write
from tests.lab import record
from tests.mutations import Tally, doubtful, unfounded

TRUTH = Path(__file__).parent.parent / "samples" / "truth"
IDS = ("pod-to-service", "outside-to-service")
RULES = "nodes/node-b/iptables-save"


def decided(sample: str, folder: Path, file: str = "", part: str = "", instead: str | None = None) -> Decided:
    """The verdicts on a recording with the lines left out that hold a text, or with another text in its place."""
    record.unpack((TRUTH / f"{sample}.txt").read_text(), folder)
    if file:
        path = folder / file
        text = path.read_text()
        assert part in text
        lines = text.splitlines(keepends=True)
        path.write_text(text.replace(part, instead) if instead is not None else "".join(one for one in lines if part not in one))
    network = read_input((str(folder),)).network
    found = decide(network, IDS)
    wrong = [text for guarantee in found.guarantees for text in doubtful(network, guarantee, Tally())]
    wrong += [text for broken in found.broken for text in unfounded(network, broken)]
    assert wrong == []
    return found


@pytest.mark.parametrize("sample", ["host-gw-services-published", "calico-services-itp-local-no-local"])
def test_what_kube_proxy_writes_is_proved(sample: str, tmp_path: Path) -> None:
    (inside, *_) = decided(sample, tmp_path).guarantees
    assert inside.verdict is Verdict.PROVED
    assert "8 service ports, 3 of them at addresses for outside too" in inside.scope


@pytest.mark.parametrize(
    ("part", "instead", "target"),
    [
        ("-d 198.51.100.80/32", None, "svc:default/shown at 198.51.100.80"),
        ("-d 198.51.100.81/32", None, "svc:default/shown at 198.51.100.81"),
        ("-d 10.96.0.55/32 -p tcp", "-d 10.96.0.155/32 -p tcp", "svc:default/near"),
    ],
)
def test_a_node_that_does_not_know_an_address_is_named(part: str, instead: str | None, target: str, tmp_path: Path) -> None:
    found = decided("host-gw-services-published", tmp_path, RULES, part, instead)
    assert {(item.guarantee, item.source[:9], item.target) for item in found.broken if item.guarantee == IDS[0]} == {
        (IDS[0], "default/b", target)
    }


def test_a_policy_local_that_a_node_does_not_keep_is_refuted(tmp_path: Path) -> None:
    """The object says that only the node's own endpoints answer; the rules lead to all."""
    old = "internalTrafficPolicy: Cluster\n    clusterIP: 10.96.0.50"
    new = old.replace("Cluster", "Local", 1)
    found = decided("host-gw-services-published", tmp_path, "k8s/services.yaml", old, new)
    assert found.guarantees[0].verdict is Verdict.REFUTED
    assert {item.target for item in found.broken if item.guarantee == IDS[0]} == {"svc:default/web"}


def test_who_may_not_ask_a_load_balancer_is_no_failure(tmp_path: Path) -> None:
    """Its ranges are the pods of node-b; where the rule for them is missing, these fail, and no others."""
    found = decided("host-gw-services-published", tmp_path, RULES, "default/gated loadbalancer IP")
    gated = {item.source[:9] for item in found.broken if "gated at" in item.target}
    assert gated == {"default/b"}


def neighbours_alone(folder: Path, rules: str) -> Decided:
    """The verdicts where a service is for some neighbours of the nodes alone; node-b's rules are for other sources."""
    record.unpack((TRUTH / "host-gw-services-published.txt").read_text(), folder)
    for file, ranges in (("k8s/services.yaml", NEIGHBOURS), ("nodes/node-a/iptables-save", NEIGHBOURS), (RULES, rules)):
        path = folder / file
        text = path.read_text()
        for before in ("    - 10.244.1.0/24\n    - 198.51.100.82/32", "TMF4 -s 10.244.1.0/24"):
            text = text.replace(before, before.replace("10.244.1.0/24", ranges).replace("\n    - 198.51.100.82/32", ""))
        path.write_text(text)
    return decide(read_input((str(folder),)).network, IDS[1:])


NEIGHBOURS = "192.168.66.128/25"


@pytest.mark.parametrize(
    ("rules", "cut"),
    [
        (NEIGHBOURS, set()),
        ("192.168.66.0/24", set()),
        ("192.168.66.192/26", {"node-b for 198.51.100.82 port 80 (svc:default/gated)"}),
    ],
)
def test_a_service_for_neighbours_of_nodes_alone_is_decided_for_these(rules: str, cut: set[str], tmp_path: Path) -> None:
    """Strangers from further away have no way back in this network: what is for them fails, and is not looked at here."""
    found = neighbours_alone(tmp_path, rules)
    (outside,) = found.guarantees
    assert "16 ports for outside" in outside.scope
    gated = [item for item in found.broken if "for 198.51.100.82" in item.target]
    assert {item.target.removeprefix("node:") for item in gated} == cut
    shown = [item.counterexample.packet.source for item in gated if item.counterexample is not None]
    assert len(shown) == len(cut)
    assert all(0xC0A84280 <= source < 0xC0A842C0 for source in shown)


def outside(folder: Path) -> Guarantee:
    """The verdict on what comes from outside."""
    return decide(read_input((str(folder),)).network, ("outside-to-service",)).guarantees[0]


def test_which_of_two_holders_of_a_nodes_address_answers_outside_is_not_known(tmp_path: Path) -> None:
    write(tmp_path, Shape(nodes=2, pods=1, services=1, endpoints=1, node_ports=1))
    objects, links, switches = tmp_path / "k8s/nodes.yaml", tmp_path / "nodes/n1/ip_-d_addr", tmp_path / "nodes/n1/sysctl_net"
    objects.write_text("---".join(part for part in objects.read_text().split("---") if "name: n1" not in part))
    assert outside(tmp_path).verdict is Verdict.PROVED
    links.write_text(links.read_text() + "    inet 192.168.0.10/32 scope global veth0\n")
    found = outside(tmp_path)
    assert found.verdict is Verdict.UNDECIDED
    assert "n1 has 192.168.0.10 of node:n0 too" in found.reason
    switches.write_text(switches.read_text() + "net.ipv4.conf.all.arp_ignore = 1\n")
    assert outside(tmp_path).verdict is Verdict.PROVED
