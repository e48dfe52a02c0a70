"""The collector, in real namespaces: what it writes, that it changes nothing and leaves no secret, in dash and in BusyBox."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import analyzer.capture
from analyzer.capture import load
from analyzer.capture.reading import facts
from analyzer.facts.links import AddressFact
from analyzer.source import Scope

SCRIPT = Path(analyzer.capture.__file__).parent / "collect.sh"
NODE, POD = f"col-n{os.getpid()}", f"col-p{os.getpid()}"
SHELLS = [shell for shell in (["dash"], ["busybox", "sh"], ["bash", "--posix"]) if shutil.which(shell[0])]


def run(*command: str) -> str:
    """Runs a command and returns what it prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def namespaces() -> Iterator[None]:
    """A node and a pod, joined by a veth pair."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("the collector is tested in network namespaces: needs root and iproute2")
    try:
        for name in (NODE, POD):
            run("ip", "netns", "add", name)
        run("ip", "-n", NODE, "link", "add", "veth1", "type", "veth", "peer", "name", "eth0", "netns", POD)
        run("ip", "-n", NODE, "addr", "add", "10.9.0.1/24", "dev", "veth1")
        run("ip", "-n", NODE, "link", "set", "veth1", "up")
        run("ip", "-n", POD, "addr", "add", "10.9.0.2/24", "dev", "eth0")
        run("ip", "-n", POD, "link", "set", "eth0", "up")
    except (OSError, subprocess.CalledProcessError) as problem:
        pytest.skip(f"the collector is tested in network namespaces, which cannot be made here: {problem}")
    yield
    for name in (POD, NODE):
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def collect(shell: list[str], output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs the collector in the node's namespace, which sees only its own pod."""
    own = output.parent / "own"
    own.mkdir()
    inner = f'touch {own}/{POD}; mount --bind /run/netns/{POD} {own}/{POD}; mount --rbind {own} /run/netns; exec "$@"'
    command = ["ip", "netns", "exec", NODE, "sh", "-c", inner, "sh", *shell, str(SCRIPT), "--node", "n1", "--output", str(output)]
    return subprocess.run([*command, *options], check=False, capture_output=True, text=True)


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_what_it_writes_is_read_without_gaps(tmp_path: Path, shell: list[str]) -> None:
    done = collect(shell, tmp_path / "dump", "--tar")
    assert done.returncode == 0, done.stderr
    loaded = load([str(tmp_path / "dump")])
    assert [gap for gap in loaded.gaps if "not recognised" in gap.reason] == []
    known, gaps = facts(loaded.sources)
    assert [gap for gap in gaps if "not installed" not in gap.reason] == []
    found = {(fact.scope, str(fact.address)) for fact in known if isinstance(fact, AddressFact)}
    assert {(Scope("n1"), "10.9.0.1"), (Scope("n1", POD), "10.9.0.2")} <= found
    with tarfile.open(tmp_path / "dump.tar") as archive:
        assert len(archive.getnames()) > 20


@pytest.mark.usefixtures("namespaces")
def test_it_changes_nothing(tmp_path: Path) -> None:
    def state() -> list[str]:
        commands = ["nft list ruleset", "cat /proc/net/ip_tables_names", "ip -d link", "ip -4 route show table all", "ip rule"]
        return [
            subprocess.run(["ip", "netns", "exec", NODE, *text.split()], capture_output=True, text=True, check=False).stdout
            for text in commands
        ]

    before = state()
    collect(SHELLS[0], tmp_path / "dump")
    assert state() == before


@pytest.mark.usefixtures("namespaces")
def test_tables_of_both_back_ends(tmp_path: Path) -> None:
    wanted = []
    for program, comment in (("iptables-nft", "in-nft"), ("iptables-legacy", "in-legacy")):
        rule = [
            "ip",
            "netns",
            "exec",
            POD,
            program,
            "-A",
            "INPUT",
            "-p",
            "tcp",
            "-m",
            "comment",
            "--comment",
            comment,
            "-j",
            "ACCEPT",
        ]
        if shutil.which(program) and subprocess.run(rule, check=False, capture_output=True).returncode == 0:
            wanted.append((program.replace("iptables-nft", "iptables") + "-save", comment))
    collect(SHELLS[0], tmp_path / "dump")
    for file, comment in wanted:
        text = (tmp_path / f"dump/nodes/n1/netns/{POD}/{file}").read_text()
        assert comment in text
        assert sum(other in text for _, other in wanted) == 1


def test_no_secret_is_left(tmp_path: Path) -> None:
    source = tmp_path / "net.d"
    source.mkdir()
    (source / "10-calico.conflist").write_text(
        '{"name": "k8s",\n "policy": {"type": "k8s", "k8s_auth_token": "s3cr3t"}, "client-key-data": "s3cr3t", "etcd": "https://u:s3cr3t@10.0.0.1",\n'
        ' "password":\n  "a\\"s3cr3t", "tokens": ["x", "s3cr3t"], "pass_token": 5, "apiKey": "s3cr3t",'
        ' "key": "-----BEGIN PRIVATE KEY-----\\ns3cr3t\\n-----END PRIVATE KEY-----\\n",\n "subnet": "10.0.0.0/24"}\n'
    )
    (source / "calico-kubeconfig").write_text("token: s3cr3t\n")
    (source / "key.conf").write_text("-----BEGIN RSA PRIVATE KEY-----\ns3cr3t\n")
    text = SCRIPT.read_text().replace("/etc/cni/net.d /var", f"{source} /var")
    functions = text[text.index("blanked() {") : text.index("# leases FOLDER")]
    subprocess.run(["sh", "-c", f'DIR="{tmp_path}/out"; mkdir "$DIR"\n{functions}\ncni_configuration'], check=True)
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != "opt_cni_bin"]
    assert sorted(path.name for path in written) == ["10-calico.conflist", "key.conf.error"]
    assert not [path for path in written if "s3cr3t" in path.read_text()]
    kept = next(path for path in written if path.suffix == ".conflist").read_text()
    assert '"k8s_auth_token": "redacted"' in kept
    assert json.loads(kept)["subnet"] == "10.0.0.0/24"


@pytest.mark.parametrize("options", [["--node"], ["--node", "../x"], ["--frobnicate"]])
def test_wrong_usage(tmp_path: Path, options: list[str]) -> None:
    done = subprocess.run(["sh", str(SCRIPT), *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_older_capture_is_not_mixed_with_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "nodes/n1").mkdir(parents=True)
    (tmp_path / "nodes/n1/ip_rule").write_text("")
    done = subprocess.run(
        ["sh", str(SCRIPT), "--node", "n1", "--output", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "not empty" in done.stderr


def test_pods_are_named_by_what_runtimes_keep(tmp_path: Path) -> None:
    number = str((Path("/proc/self/ns/net")).stat().st_ino)
    namespace = f"/proc/{os.getpid()}/ns/net"
    containerd = {
        "process": {"env": ["SECRET=s3cr3t"]},
        "annotations": {"io.kubernetes.cri.sandbox-name": "web-1", "io.kubernetes.cri.sandbox-namespace": "shop"},
        "linux": {"namespaces": [{"type": "pid"}, {"type": "network", "path": namespace}]},
    }
    crio = {
        "annotations": {"io.kubernetes.pod.name": "db-1", "io.kubernetes.pod.namespace": "shop"},
        "linux": {"namespaces": [{"type": "network", "path": namespace}]},
    }
    docker = {
        "State": {"Running": True, "Pid": os.getpid()},
        "Config": {"Labels": {"io.kubernetes.pod.name": "old-1", "io.kubernetes.pod.namespace": "shop"}},
    }
    result = {
        "kind": "cniCacheV1",
        "cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", "shop"], ["K8S_POD_NAME", "api-1"]],
        "result": {"interfaces": [{"name": "cni0"}, {"name": "eth0", "sandbox": namespace}]},
    }
    files = {
        "run/containerd/io.containerd.runtime.v2.task/k8s.io/abc/config.json": containerd,
        "run/containers/storage/overlay-containers/abc/userdata/config.json": crio,
        "var/lib/docker/containers/abc/config.v2.json": docker,
        "var/lib/cni/results/cbr0-abc-eth0": result,
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content, indent=2))
    text = SCRIPT.read_text()
    functions = text[text.index("# inode PATH") : text.index("# pod_by_process PID")]
    functions = functions.replace(" /run/", f" {tmp_path}/run/").replace(" /var/", f" {tmp_path}/var/")
    for shell in SHELLS:
        lines = run(*shell, "-c", f"{functions}\npods").splitlines()
        assert [line.split()[1] for line in lines] == ["shop_web-1", "shop_db-1", "shop_old-1", "shop_api-1"]
        assert {line.split()[0] for line in lines} == {number}
