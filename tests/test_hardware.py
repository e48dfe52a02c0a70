"""MACs that several interfaces of a bridge have, and interfaces whose MAC is in no text: no verdict says more than the walk."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.findings import Verdict
from analyzer.pipeline import read_input
from analyzer.query.guarantees import decide
from benchmarks.capture import Shape, mac, write
from tests.mutations import Tally, doubtful, unfounded

SHAPE = Shape(nodes=2, pods=3, services=2, endpoints=2, node_ports=1)
NODE, POD = "nodes/n0/ip_-d_addr", "nodes/n0/netns/default_p0-1/ip_-d_addr"
OWN, OTHER, BRIDGE = mac(5, 0, 1), mac(5, 0, 0), mac(3, 0)
NEAR, NEXT = mac(4, 0, 1), mac(4, 0, 0)
PORT = f"{OTHER} dev veth0 master cni0"
CASES = {
    "two pods": (((POD, OWN, OTHER),), Verdict.REFUTED),
    "the bridge": (((POD, OWN, BRIDGE),), Verdict.REFUTED),
    "another pod's pair": (((POD, OWN, NEXT),), Verdict.REFUTED),
    "its own pair": (((POD, OWN, NEAR),), Verdict.REFUTED),
    "heard elsewhere": ((("nodes/n0/bridge_fdb", PORT, PORT.replace("veth0", "veth1")),), Verdict.UNDECIDED),
    "the pod's is not told": (((POD, f"link/ether {OWN}", "link/ether"),), Verdict.PROVED),
    "the pod's is a group's": (((POD, OWN, "33:33:ff:c6:b3:3b"),), Verdict.PROVED),
    "the uplink's is a group's": (((NODE, mac(1, 0), "33:33:ff:c6:b3:3b"),), Verdict.PROVED),
    "the bridge's is not told": (((NODE, f"link/ether {BRIDGE}", "link/ether"),), Verdict.PROVED),
    "the uplink's is not told": (((NODE, f"link/ether {mac(1, 0)}", "link/ether"),), Verdict.PROVED),
    "the tunnel's is not told": (((NODE, f"link/ether {mac(2, 0)}", "link/ether"),), Verdict.UNDECIDED),
    "neither learnt nor flooded": (
        (
            (NODE, "learning on flood on isolated off", "learning off flood off isolated off"),
            ("nodes/n0/bridge_fdb", f"{PORT}\n", ""),
        ),
        Verdict.REFUTED,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_macs_of_several_and_of_nobody(name: str, tmp_path: Path) -> None:
    write(tmp_path, SHAPE)
    changes, wanted = CASES[name]
    for file, old, new in changes:
        path = tmp_path / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
    network = read_input((str(tmp_path),)).network
    decided = decide(network)
    wrong = [text for guarantee in decided.guarantees for text in doubtful(network, guarantee, Tally())]
    wrong += [text for broken in decided.broken for text in unfounded(network, broken)]
    assert wrong == []
    assert decided.guarantees[0].verdict is wanted, decided.guarantees[0].reason
