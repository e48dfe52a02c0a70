"""Altered captures: no verdict says more than the concrete walk of every pair, and nothing raises. ``python -m tests.mutations`` tries more."""

from __future__ import annotations

import pytest

from tests.mutations import Case, Tally, case_of, faults, sample, tried

SEED, COUNT, PARTS = 7000, 4, 2


@pytest.mark.parametrize("part", range(PARTS))
def test_no_verdict_says_more_than_the_walk(part: int) -> None:
    tally = Tally()
    for seed in range(SEED + part, SEED + COUNT, PARTS):
        tried(seed, "", tally)
    assert not tally.wrong, "\n".join(tally.wrong)
    assert tally.verdicts.total() >= COUNT // PARTS


def test_a_seed_makes_the_same_case_again() -> None:
    assert case_of(3) == case_of(3)
    assert case_of(3) != case_of(4)


K3S, PROXY_OFF = "healthy/k3s-kube-router", "truth/calico-proxy-arp-off"
HELD: dict[str, tuple[str, tuple[tuple[str, str, str], ...]]] = {
    "a switch without a value": (
        K3S,
        (
            ("nodes/n1/sysctl_net", "net.ipv4.conf.all.forwarding = 1", "net.ipv4.conf.all.forwarding ="),
            ("nodes/n1/sysctl_net", "net.ipv4.conf.cni0.forwarding = 1", "net.ipv4.conf.cni0.forwarding ="),
        ),
    ),
    "a port of a master that is none": (K3S, (("nodes/n2/bridge_link", "master cni0 state", "master state"),)),
    "what a policy may have cut": (K3S, (("nodes/n2/ip_-d_addr", "inet 10.244.2.1/24", "inet 10.244.2.9/24"),)),
    "an answer that the bridge keeps": ("truth/bridge-two-pod-has-bridge-mac", ()),
    "what an earlier walk was taught": (
        PROXY_OFF,
        (("nodes/node-a/ip_-6_route.json", '"dst":"fe80::ecee:eeff:feee:eeee","dev":"calif9', '"dst":"00:00","dev":"calif9'),),
    ),
}


@pytest.mark.parametrize("name", HELD)
def test_what_once_was_wrong(name: str) -> None:
    origin, edits = HELD[name]
    files = dict(sample(origin))
    for path, old, new in edits:
        assert old in files[path]
        files[path] = files[path].replace(old, new)
    assert list(faults(Case(origin, files, (name,)), True, Tally())) == []
