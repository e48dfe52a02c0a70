"""The same of clusters whose rules are nft's own, as kube-proxy's nftables mode leaves them, with something wrong in some of them."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from analyzer.model.network import Network
from analyzer.pipeline import read_input
from analyzer.query import reach
from analyzer.query.alike.kinds import kinds
from analyzer.query.alike.native import networks_of
from analyzer.query.guarantees import decide
from analyzer.ranges import single
from analyzer.solve.sets.picking import points
from analyzer.solve.sets.regions import State, Together, of_others
from benchmarks.capture import Shape, write
from benchmarks.generate import changed
from benchmarks.native import service
from tests.test_alike import FLOWS, Fault, Harm, amount, asked_by_few, instead, no_entry, no_forwarding, no_route, wrong_neighbour

FORWARDED, SENT, ASKED = (
    "ct state new jump service-endpoints-check",
    "jump masquerading",
    "ip daddr . meta l4proto . th dport vmap @service-ips",
)


def rule(at: Harm, before: str, text: str, everywhere: float = 0.3) -> None:
    """A node, or each, has one more rule, before another one."""
    for root in at.root.parent.iterdir() if at.random.random() < everywhere else [at.root]:
        changed(root / "nft_list_ruleset", instead(f"\t\t{before}\n", f"\t\t{text}\n\t\t{before}\n"))


def somebody(at: Harm) -> str:
    """The address of a pod, here or on another node, or of a node."""
    pods = [at.shape.pod_address(node, at.random.randrange(at.shape.pods)) for node in (at.node, at.other)]
    return at.random.choice((*pods, at.shape.node_address(at.other)))


def dropping(at: Harm) -> None:
    """A node drops what is from somebody, or for somebody, by a set, a range, a map or one address."""
    one, subnet, side = somebody(at), at.shape.subnet(at.other), at.random.choice(("saddr", "daddr"))
    test = at.random.choice(
        (one, f"!= {one}", f"{{ {one}, {subnet}.0/30 }}", f"{subnet}.1-{subnet}.6", "@nodeport-ips", "!= @cluster-ips")
    )
    text = at.random.choice(
        (
            f"ip {side} {test} drop",
            f"ip {side} {test} ct state new reject",
            f"ip {side} vmap {{ {one} : drop, 192.0.2.9 : accept }}",
        )
    )
    rule(at, FORWARDED, text)


def by_device(at: Harm) -> None:
    """A node drops what comes by a device, or by several."""
    test = at.random.choice(
        ('iifname "cni0"', 'iifname "flannel*"', 'oifname { "cni0", "eth0" }', 'iifname "eth0" ip protocol udp', 'iif "lo"')
    )
    rule(at, FORWARDED, f"{test} drop")


def masqueraded(at: Harm) -> None:
    """A node translates what its pods send, or what is for somebody."""
    test = at.random.choice(
        (f"ip saddr {at.shape.subnet(at.node)}.0/24", f"ip daddr {somebody(at)}", "meta l4proto udp", "ip saddr 10.64.0.0/10")
    )
    then = at.random.choice(("masquerade", "masquerade random", f"snat to {at.shape.node_address(at.node)}"))
    rule(at, SENT, f"{test} {then}")


def marked(at: Harm) -> None:
    """A node marks what is to be translated later."""
    rule(at, FORWARDED, f"ip saddr {somebody(at)} meta mark set meta mark | 0x4000")


def taken(at: Harm) -> None:
    """A node takes what is for a port of its own, or for somebody, to be for a service."""
    test = at.random.choice(
        (
            "ip daddr @nodeport-ips tcp dport 30080",
            "tcp dport 8080",
            f"ip daddr {somebody(at)}",
            "meta l4proto udp",
            "fib daddr type local tcp dport 9090",
        )
    )
    rule(at, ASKED, f"{test} goto {service(0)}")


def not_told(at: Harm) -> None:
    """A chain has a rule of which it cannot be told whom it speaks of."""
    text = at.random.choice(("limit rate 10/second accept", "ip daddr & 0.0.0.3 == 2 drop", "meta cgroup 7 drop"))
    rule(at, ASKED.replace("service-ips", "firewall-ips"), text)


FAULTS: tuple[Fault, ...] = (
    dropping,
    dropping,
    by_device,
    masqueraded,
    marked,
    taken,
    taken,
    not_told,
    no_forwarding,
    no_route,
    no_entry,
    wrong_neighbour,
)


def harmed(folder: Path, seed: int) -> Network:
    """A cluster with faults in some of its nodes."""
    random = Random(seed)
    shape = Shape(nodes=random.randrange(7, 10), pods=3, services=3, native=True)
    write(folder, shape)
    for _ in range(random.randrange(1, 4)):
        node, other = random.sample(range(shape.nodes), 2)
        random.choice(FAULTS)(Harm(folder / "nodes" / f"n{node}", shape, node, other, random))
    return read_input((str(folder),)).network


@pytest.mark.parametrize("seed", [202, 310])
def test_a_few_stand_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """With faults here and there, the answers by a few are those by all pairs."""
    network = harmed(tmp_path, seed)
    asked = (*FLOWS, "pod-to-service")
    by_few = amount(network, decide(network, only=asked))
    monkeypatch.setattr(reach, "few_of", lambda *_: None)
    assert by_few == amount(network, decide(network, only=asked))


def test_nodes_without_faults_are_alike(tmp_path: Path) -> None:
    """Healthy nodes are of one kind, their pods too; one with another rule is alone, and so is who the rule speaks of."""
    shape = Shape(nodes=8, pods=3, services=3, native=True)
    write(tmp_path, shape)
    rule(Harm(tmp_path / "nodes" / "n2", shape, 2, 5, Random(0)), FORWARDED, f"ip saddr {shape.pod_address(5, 1)} drop", 0)
    network = read_input((str(tmp_path),)).network
    found = kinds(network)
    assert found is not None
    assert asked_by_few(network)
    assert sorted(map(len, found.nodes.values())) == [1, 1, 6]
    assert sorted(map(len, found.pods.values())).count(1) == 1


def test_variables_that_equal_one_that_is_gone_are_gone() -> None:
    """What is said of others speaks of no variable that only those who were asked had."""
    pairs = (Together("choice 1", "choice 2", True), Together("source", "choice 1", True), Together("gone", "choice 3", True))
    said = of_others(State({}, (0,), together=pairs), {"source": single(7)}, ())
    assert said.together == pairs[:2]
    assert points(said, {}) == {"source": 7, "choice 1": 7, "choice 2": 7}


def test_the_networks_of_a_range() -> None:
    assert [str(one) for one in networks_of(4, 0x0A400001, 0x0A400006)] == [
        "10.64.0.1/32",
        "10.64.0.2/31",
        "10.64.0.4/31",
        "10.64.0.6/32",
    ]
    assert [str(one) for one in networks_of(4, 0, (1 << 32) - 1)] == ["0.0.0.0/0"]
    assert [str(one) for one in networks_of(6, 0, 0)] == ["::/128"]
