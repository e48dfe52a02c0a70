"""Captures without one kind of file, one kind after the other: nothing refuted becomes proved, nor the other way round."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analyzer.api import load
from analyzer.findings import Report, Verdict
from tests.captures import network_of
from tests.lab.record import unpack
from tests.test_build import LO, N1
from tests.test_walk import OPEN, asked, build, node, only

SAMPLES = Path(__file__).parent.parent / "samples" / "truth"
CAPTURES = ("flannel-vxlan", "host-gw-services-wrong-gateway")
ROOT = re.compile(r"nodes/[^/]+/(?!netns/)(.+)")
POD = re.compile(r"nodes/[^/]+/netns/[^/]+/(.+)")


def kinds(capture: str) -> list[str]:
    """The kinds of files of a capture: ``netns/`` before those of pods; one for all files of a folder that is kept."""
    names = re.findall(r"^=== (\S+/\S+)$", (SAMPLES / f"{capture}.txt").read_text(), re.MULTILINE)
    return sorted({kind_of(name) for name in names})


def kind_of(name: str) -> str:
    for pattern, before in ((POD, "netns/"), (ROOT, "")):
        if found := pattern.fullmatch(name):
            return before + (found.group(1).rsplit("/", 1)[0] if "/" in found.group(1) else found.group(1))
    return name


SLOW = {("host-gw-services-wrong-gateway", "iptables-save")}
"""Native rules of services in the place of iptables' own, of which each pair that fails is walked: the other capture has the same without services."""
CASES = [
    (capture, kind)
    for place, capture in enumerate(CAPTURES)
    for kind in kinds(capture)[place :: 2 * place + 2]
    if (capture, kind) not in SLOW
]
"""Every second kind of the first, and every fourth of the other."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """The report of each whole capture."""
    found = {}
    for capture in CAPTURES:
        folder = tmp_path_factory.mktemp(capture)
        unpack((SAMPLES / f"{capture}.txt").read_text(), folder)
        found[capture] = load(folder).check()
    return found


def without(capture: str, kind: str, folder: Path) -> Report:
    """The report of a capture without the files of a kind."""
    unpack((SAMPLES / f"{capture}.txt").read_text(), folder)
    gone = [path for path in folder.rglob("*") if path.is_file() and kind_of(str(path.relative_to(folder))) == kind]
    assert gone
    for path in gone:
        path.unlink()
    return load(folder).check()


def decided(report: Report, verdict: Verdict) -> set[str]:
    return {one.id for one in report.guarantees if one.verdict is verdict}


@pytest.mark.parametrize(("capture", "kind"), CASES)
def test_a_missing_file_proves_nothing(capture: str, kind: str, whole: dict[str, Report], tmp_path: Path) -> None:
    full, found = whole[capture], without(capture, kind, tmp_path)
    assert not decided(full, Verdict.REFUTED) & decided(found, Verdict.PROVED)
    assert not decided(full, Verdict.PROVED) & decided(found, Verdict.REFUTED)


@pytest.mark.parametrize(("name", "text", "missing"), [
    ("ip_route.json", "[]", True), ("ip_route_show_table_all", "", True), ("ip_route", "", False),
    ("ip_route.json", '[{"type":"local","dst":"10.0.0.1","dev":"eth0","table":"local"}]', False),
])  # fmt: skip
def test_a_listing_of_all_tables_without_a_route_is_of_something_else(
    name: str, text: str, missing: bool, tmp_path: Path
) -> None:
    """The kernel keeps a local route for each address."""
    own = f"{LO}2: eth0: <UP,LOWER_UP> mtu 1500 state UP\n    link/ether 52:54:00:00:00:11 brd ff:ff:ff:ff:ff:ff\n    inet 10.0.0.1/24 scope global eth0\n"
    network = network_of({"nodes/n1/ip_-d_addr": own, f"nodes/n1/{name}": text}, tmp_path)
    assert ("ip-route/4" in network.namespaces[N1].missing) is missing


SERVICE = """apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {type: NodePort, clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10], selector: {app: web}, ports: [{port: 80, targetPort: 80, nodePort: 30080}]}
"""
KUBE_PROXY = "-A PREROUTING -j KUBE-SERVICES\n-A KUBE-SERVICES -d 10.96.0.11/32 -j ACCEPT\n"


@pytest.mark.parametrize("gone", ["nft_list_ruleset", "iptables-legacy-save", ""])
@pytest.mark.parametrize("served", [False, True])
def test_rules_that_were_not_captured_may_be_those_of_services(gone: str, served: bool, tmp_path: Path) -> None:
    """Nothing else on the node knows services; where kube-proxy's chain stands, it decides."""
    rules = OPEN + f"*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n{KUBE_PROXY}COMMIT\n" if served else OPEN
    files = {name: text for name, text in node(1, iptables__save=rules).items() if name != f"nodes/n1/{gone}"}
    network = build(tmp_path, files, {"k8s/services.yaml": SERVICE})
    verdict = "unknown" if gone and not served else "reachable"
    assert only(asked(network, "default/p11", "192.168.9.1", port=30080)).split()[0] == verdict
    verdict = "unknown" if gone and not served else "unreachable"
    assert only(asked(network, "default/p11", "10.96.0.10")).split()[0] == verdict


QDISC = "qdisc noqueue 0: dev veth1 root refcnt 2\nqdisc {kind} ffff: dev veth1 parent ffff:fff1\n"


@pytest.mark.parametrize(("kind", "listed", "verdict"), [
    ("clsact", None, "unknown"), ("ingress", None, "unknown"), ("clsact", "tc_filter", "reachable"),
    ("clsact", "tc_filter_show_dev_veth1_ingress", "reachable"), ("clsact", "tc_filter_show_dev_eth0_ingress", "unknown"),
])  # fmt: skip
def test_a_qdisc_for_filters_of_which_none_were_captured_decides_nothing(
    kind: str, listed: str | None, verdict: str, tmp_path: Path
) -> None:
    """Who adds a clsact or an ingress qdisc does so for its filters (tc(8))."""
    files = {name: text for name, text in node(1).items() if not name.endswith("n1/tc_filter")}
    files["nodes/n1/tc_qdisc"] = QDISC.format(kind=kind)
    files |= {f"nodes/n1/{listed}": ""} if listed else {}
    assert only(asked(build(tmp_path, files), "default/p11", "default/p12")).split()[0] == verdict


def dual() -> dict[str, str]:
    """A node with two pods that have IPv6 addresses too."""
    files = node(1) | {"nodes/n1/ip6tables-save": OPEN}
    for number in (1, 2):
        folder, own = f"nodes/n1/netns/default_p1{number}", f"fd00:1::{number + 1}"
        files[f"{folder}/ip_-d_addr"] += f"    inet6 {own}/64 scope global \n"
        files[f"{folder}/ip_-6_route"] = "fd00:1::/64 dev eth0 proto kernel metric 256 pref medium\n"
        local = f"local {own} dev eth0 table local proto kernel metric 0 pref medium\n"
        files[f"{folder}/ip_-6_route_show_table_all"] = files.pop(f"{folder}/ip_-6_route") + local
        files |= {
            f"{folder}/ip_-6_rule": "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n",
            f"{folder}/ip6tables-save": OPEN,
        }
    return files


@pytest.mark.parametrize(("routes", "verdict"), [(True, "reachable"), (False, "unknown")])
def test_a_host_whose_addresses_were_not_captured_may_have_one(routes: bool, verdict: str, tmp_path: Path) -> None:
    """The kernel keeps a local route for each address; without both, who answers is not known."""
    files, folder = dual(), "nodes/n1/netns/default_p12"
    plain = [line for line in files[f"{folder}/ip_-d_addr"].splitlines() if "inet" not in line]
    files[f"{folder}/ip_-d_addr"] = "\n".join(plain) + "\n"
    if not routes:
        del files[f"{folder}/ip_-6_route_show_table_all"]
    assert only(asked(build(tmp_path, files), "default/p11", "fd00:1::3", protocol="ICMP", port=0)).split()[0] == verdict


@pytest.mark.parametrize(
    ("switch", "listed", "verdict"), [("1", False, "unknown"), ("1", True, "unreachable"), ("0", False, "unreachable")]
)
def test_for_whom_a_router_answers_is_known_where_it_is_listed(switch: str, listed: bool, verdict: str, tmp_path: Path) -> None:
    """With proxy_ndp it answers for those of ``ip -6 neigh show proxy``."""
    switches = f"net.ipv6.conf.all.forwarding = 1\nnet.ipv6.conf.cni0.proxy_ndp = {switch}\n"
    files = dual()
    files["nodes/n1/sysctl_net"] += switches
    files["nodes/n1/ip_-d_addr"] = files["nodes/n1/ip_-d_addr"].replace(
        "    inet 10.244.1.1/24", "    inet6 fd00:1::1/64 scope global \n    inet 10.244.1.1/24"
    )
    files |= {"nodes/n1/ip_-6_neigh_show_proxy": ""} if listed else {}
    assert only(asked(build(tmp_path, files), "default/p11", "fd00:1::99", protocol="ICMP", port=0)).split()[0] == verdict


@pytest.mark.parametrize(
    ("text", "verdict"), [(None, "reachable"), ("bash: nft: command not found\n", "reachable"), ("table\0", "unknown")]
)
def test_a_ruleset_that_is_there_and_cannot_be_read_is_not_taken_for_none(text: str | None, verdict: str, tmp_path: Path) -> None:
    files = {name: words for name, words in node(1).items() if name != "nodes/n1/nft_list_ruleset"}
    files |= {"nodes/n1/nft_list_ruleset": text} if text else {}
    assert only(asked(build(tmp_path, files), "default/p11", "192.168.9.1")).split()[0] == verdict


@pytest.mark.parametrize(
    ("switches", "verdict"), [(None, "unknown"), ("net.ipv4.ip_forward = 1\nnet.ipv4.conf.veth1.proxy_arp = 0\n", "unreachable")]
)
def test_whether_a_host_answers_for_others_is_known_by_its_switches(switches: str | None, verdict: str, tmp_path: Path) -> None:
    """Pods whose router is 169.254.1.1 live by proxy_arp."""
    files, folder = node(1, "default via 192.168.9.254 dev eth0\n"), "nodes/n1/netns/default_p11"
    files[f"{folder}/ip_route"] = "default via 169.254.1.1 dev eth0\n169.254.1.1 dev eth0 scope link\n"
    files["nodes/n1/sysctl_net"] = switches or ""
    files = files if switches else {name: text for name, text in files.items() if name != "nodes/n1/sysctl_net"}
    assert only(asked(build(tmp_path, files), "default/p11", "192.168.9.1", protocol="ICMP", port=0)).split()[0] == verdict


NODES = "".join(
    f"---\napiVersion: v1\nkind: Node\nmetadata: {{name: n{one}}}\nstatus: {{addresses: [{{type: InternalIP, address: 192.168.9.{one}}}]}}\n"
    for one in (1, 2)
)


@pytest.mark.parametrize(("objects", "verdict"), [({}, "reachable"), ({"k8s/nodes.yaml": NODES}, "unknown")])
def test_where_a_node_that_was_not_captured_sends_packets_is_not_known(
    objects: dict[str, str], verdict: str, tmp_path: Path
) -> None:
    network = build(tmp_path, node(1, "10.99.0.0/24 via 192.168.9.2 dev eth0\n"), objects)
    assert only(asked(network, "default/p11", "10.99.0.5")).split()[0] == verdict


def test_an_address_of_a_host_whose_interfaces_were_not_captured_is_not_outside(tmp_path: Path) -> None:
    files = {
        "nodes/n2/ip_route_show_table_all": "local 192.168.9.2 dev eth0 table local proto kernel scope host src 192.168.9.2\n"
    }
    found = only(asked(build(tmp_path, node(1), files), "default/p11", "192.168.9.2"))
    assert found.startswith("unknown n2, which has 192.168.9.2, was not captured")
