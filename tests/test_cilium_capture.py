"""What the collector and the archives of Cilium bring: its listings, by the names that they have there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from analyzer.capture import load
from analyzer.findings import Verdict
from analyzer.query.guarantees import decide
from analyzer.source import Scope
from tests.captures import network_of
from tests.cilium_cluster import Cluster
from tests.test_collect import SHELLS, collect, namespaces

__all__ = ["namespaces"]
FAKE = """\
#!/bin/sh
case "$*" in
    "--timeout 10s ps"*) echo 0a1b2c ;;
    *" version") exit 0 ;;
    *"bpf ipcache list") echo "IP PREFIX/ADDRESS   IDENTITY"; echo "10.0.0.1/32         identity=1 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>" ;;
    *"bpf endpoint list") echo "IP ADDRESS    LOCAL ENDPOINT INFO"; echo "10.0.0.1:0    (localhost)" ;;
    *"endpoint list -o json" | *"identity list -o json") echo "[]" ;;
    *"status --verbose") echo "KVStore:    Disabled" ;;
    *"bpf lb list") echo "SERVICE ADDRESS   BACKEND ADDRESS (REVNAT_ID) (SLOT)" ;;
    *) echo "Error: unknown command: $*" >&2; exit 1 ;;
esac
"""


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("program", ["crictl", "cilium-dbg"])
def test_the_collector_asks_the_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    place = tmp_path / "bin"
    place.mkdir()
    (place / program).write_text(FAKE)
    (place / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    done = collect(SHELLS[0], tmp_path / "dump")
    assert done.returncode == 0, done.stderr
    found = {source.kind for source in load([str(tmp_path / "dump")]).sources if source.scope == Scope("n1")}
    assert {
        "cilium-ipcache",
        "cilium-endpoint-map",
        "cilium-endpoints",
        "cilium-identities",
        "cilium-status",
        "cilium-lb",
    } <= found
    folder = tmp_path / "dump" / "nodes" / "n1"
    assert (folder / "cilium_encrypt_status.error").exists()
    assert not list(folder.glob("cilium_bpf_tunnel_list*"))


NAMES = {
    "cilium_bpf_ipcache_list": "cilium-bpf-ipcache-list",
    "cilium_bpf_endpoint_list": "cilium-dbg-bpf-endpoint-list",
    "cilium_bpf_policy_get_--all_--numeric": "cilium-bpf-policy-get---all---numeric",
    "cilium_bpf_lb_list": "cilium-dbg-bpf-lb-list",
    "cilium_status_--verbose": "cilium-dbg-status---verbose",
    "ip_-d_addr": "ip--d-a",
    "ip_route_show_table_all": "ip--4-route-show-table-all",
    "iptables-save": "iptables-save",
}


def test_a_bugtool_archive_is_read_as_it_is(tmp_path: Path) -> None:
    files = {}
    for name, text in Cluster().files().items():
        base = name.rsplit("/", 1)[-1]
        if name.startswith("nodes/n1/") and "netns" not in name and base in NAMES:
            command = (
                NAMES[base].replace("---", " --").replace("--", " -").replace("-dbg", "~").replace("-", " ").replace("~", "-dbg")
            )
            files[f"cilium-bugtool-x/cmd/{NAMES[base]}.md"] = f"# {command}\n\n```\n{text}```\n"
    made = network_of(files, tmp_path)
    state = made.namespaces[Scope("cilium-bugtool-x")].cilium
    assert state is not None
    assert set(state.missing) == {"cilium-tunnel"}
    assert (len(state.entries), len(state.policies), len(state.frontends)) == (4, 2, 2)
    assert state.setup.tunnel == "vxlan"
    assert set(state.devices) == {"lxc100000000101", "lxc100000000102"}


def test_pods_are_put_where_their_endpoints_are(tmp_path: Path) -> None:
    """Without the pods' own namespaces, as in Cilium's archives: what the endpoint map says of them is enough, once the rest is assumed."""
    files = {name: text for name, text in Cluster().files().items() if "/netns/" not in name}
    made = network_of(files, tmp_path / "dark")
    found = {one.id: one for one in decide(made).guarantees}
    assert "nodes/n" in found["pod-to-pod"].reason
    assert "netns" in found["pod-to-pod"].reason
    assert found["pod-to-pod"].verdict is Verdict.UNDECIDED
    assumed = network_of(files, tmp_path / "assumed", assume_defaults=True)
    found = {one.id: one for one in decide(assumed).guarantees}
    assert found["pod-to-pod"].verdict is Verdict.PROVED
    assert found["policy-enforced"].verdict is Verdict.PROVED
    assert any("n1/default_client was not captured" in text for text in found["pod-to-pod"].assumptions)
