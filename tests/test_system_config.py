"""Rules about what systems' configuration says are silent on the manifests that those systems publish."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from analyzer.capture import load
from analyzer.capture.reading import facts
from analyzer.model.build import build
from analyzer.plugins import load_file
from analyzer.query.rules import check
from analyzer.rule import Rule
from tests.captures import network_of

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("ANALYZER_DATA", ROOT.parent / "shared" / "data"))
FOLDERS = ("manifests", "kubeadm", "bgp", "cni-conf", "calico-policy", "cilium-policy", "netpol/np-guard-netpol-analyzer")
RULES = (
    *("systems", "cni", "ipam"),
    *("addresses/service-networks-disagree", "addresses/node-networks-exhausted", "addresses/inner-network-overlaps"),
    *("addresses/pod-networks-disagree", "services/cluster-dns-outside-services", "services/two-service-proxies"),
    *("overlay/overlay-mtu-configured-too-large", "overlay/overlay-port-shared"),
)
WANTED = [
    "99-do-not-use-google-subnets.conflist: cni-config-refused",
    "broken.conflist: cni-plugin-missing",
    "invalid_gateway.conflist: cni-config-refused",
    "invalidname.conflist: cni-plugin-missing",
    "isolate.conflist: cni-config-misleading",
    "10-romana.conf: cni-plugin-missing",
    "metallb-pool.yaml: metallb-object-refused",
    "nad.yaml: cni-config-refused",
    "nad.yaml: cni-config-refused",
]


def rules() -> tuple[Rule, ...]:
    """The rules of the folders and files."""
    folder = ROOT / "rules"
    files = [
        path
        for name in RULES
        for path in sorted((folder / name).glob("*.py") if (folder / name).is_dir() else [folder / f"{name}.py"])
    ]
    return tuple(load_file(path, folder).RULE for path in files)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"REAL FILES ARE ABSENT: {DATA} is no folder (set ANALYZER_DATA)")
def test_published_manifests_are_in_order() -> None:
    """Three configurations and a definition are broken on purpose, two are templates, one is never used, and one keeps pods apart and means it."""
    known, found = rules(), []
    for path in sorted(
        path for name in FOLDERS for path in (DATA / name).rglob("*") if path.suffix in (".yaml", ".yml", ".conf", ".conflist")
    ):
        loaded = load((str(path),), None)
        read, gaps = facts(loaded.sources)
        network = build(loaded.sources, read, (*loaded.gaps, *gaps))
        found += [f"{path.name}: {one.rule}" for one in check(network, rules=known)]
    assert sorted(found) == sorted(WANTED)


CILIUM = """apiVersion: v1
kind: ConfigMap
metadata: {name: cilium-config, namespace: kube-system}
data: {ipam: IPAM, cluster-pool-ipv4-cidr: 10.0.0.0/23, cluster-pool-ipv4-mask-size: "24"}
---
apiVersion: v1
kind: NodeList
items: [{metadata: {name: n1}}, {metadata: {name: n2}}, {metadata: {name: n3}}]
"""


@pytest.mark.parametrize(("ipam", "count"), [("cluster-pool", 1), ("kubernetes", 0)])
def test_pools_of_cilium_have_room_for_every_node(ipam: str, count: int, tmp_path: Path) -> None:
    rule = load_file(ROOT / "rules" / "addresses" / "node-networks-exhausted.py", ROOT / "rules").RULE
    found = check(network_of({"k8s/all.yaml": CILIUM.replace("IPAM", ipam)}, tmp_path), rules=(rule,))
    assert [one.message for one in found] == ["10.0.0.0/23 has room for 2 networks of length 24, and there are 3 nodes"] * count
