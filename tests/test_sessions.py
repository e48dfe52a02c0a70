"""Pasted sessions: each output is tied to the node or the pod in which its command ran, or a gap says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.capture import load
from analyzer.capture.sessions.elsewhere import HERE, Elsewhere, followed
from analyzer.source import Gap

SAMPLES = sorted((Path(__file__).parent.parent / "samples" / "sessions").glob("*.txt"))
WANT = "== want ==\n"


def told(path: Path) -> str:
    """What was read: the line that each part begins at, its kind and its namespace; then the gaps."""
    loaded = load([str(path)])
    parts = [
        (len(source.text) - len(source.text.lstrip("\n")) + 1, f"{source.kind} {source.scope or 'cluster'} {source.subject}")
        for source in loaded.sources
        if source.kind != "pasted"
    ]
    gaps = [(gap.at.line, f"gap {gap.reason}{opens(gap)}") for gap in loaded.gaps]
    notes = [(gap.at.line, f"note {gap.reason}") for gap in loaded.notes]
    return "".join(f"{line} {text.rstrip()}\n" for line, text in sorted([*parts, *gaps, *notes]))


def opens(gap: Gap) -> str:
    """What a gap leaves open."""
    return f" ({gap.subject} {gap.scope or 'everywhere'})" if gap.subject else ""


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_session_is_tied_to_its_places(path: Path, tmp_path: Path, update: bool) -> None:
    session, _, want = path.read_text().partition(WANT)
    given = tmp_path / "session.txt"
    given.write_text(session)
    found = told(given)
    if update:
        path.write_text(session + WANT + found)
    else:
        assert found == want


COMMANDS = {
    "ip a": ("ip a", HERE),
    "sudo -u root /sbin/ip -d link": ("/sbin/ip -d link", HERE),
    "sh -c 'ip netns exec blue ip r'": ("ip r", Elsewhere(namespace="blue")),
    "ip -4 -n blue route": ("ip -4 route", Elsewhere(namespace="blue")),
    "ip -netns blue -d addr": ("ip -d addr", Elsewhere(namespace="blue")),
    "ip -all netns exec ip a": ("ip a", Elsewhere(unknown="it ran in every named network namespace")),
    "nsenter --net=/run/netns/cni-1 -- ip a": ("ip a", Elsewhere(namespace="cni-1")),
    "nsenter -n/proc/7/ns/net ip a": ("ip a", Elsewhere(namespace="process-7")),
    "nsenter -t 7 -n ip a": ("ip a", Elsewhere(namespace="process-7")),
    "nsenter -at 7 ip a": ("ip a", Elsewhere(namespace="process-7")),
    "nsenter -t 7 -m ip a": ("ip a", HERE),
    "nsenter --target 1 --net --mount ip a": ("ip a", HERE),
    "ssh -i key -p 22 core@n2 'sudo ip netns exec x ip r'": ("ip r", Elsewhere("n2", "x")),
    "kubectl -n shop exec -it web-1 -c app -- ip a": ("ip a", Elsewhere(pod="shop/web-1")),
    "kubectl exec web-1 -n=shop -it -- ip a": ("ip a", Elsewhere(pod="shop/web-1")),
    "kubectl exec pod/web-1 ip a": ("ip a", Elsewhere(pod="/web-1")),
    "k3s kubectl exec web-1 -- sh -c 'ip a'": ("ip a", Elsewhere(pod="/web-1")),
    "kubectl get pods -o yaml": ("kubectl get pods -o yaml", HERE),
    "kubectl debug node/n5 -it --image=busybox -- chroot /host ip a": ("ip a", Elsewhere("n5")),
    "docker exec kind-worker crictl exec 0123456789 ip a": ("ip a", Elsewhere("kind-worker", container="0123456789")),
    "docker exec -it k8s_app_web-1_shop_0a-1b_0 ip a": ("ip a", Elsewhere(pod="shop/web-1")),
    "FOO=1 env BAR=2 doas timeout 5 ip a": ("ip a", HERE),
    "watch -n 1 ip r": ("ip r", HERE),
    "kubectl ko nbctl --no-leader-only show": ("ovn-nbctl --no-leader-only show", HERE),
    "kubectl ko ofctl n3 dump-flows br-int": ("ovs-ofctl dump-flows br-int", Elsewhere("n3")),
    "kubectl logs -n x web-1": ("kubectl logs -n x web-1", Elsewhere(unknown="where kubectl ran this is not told")),
    "while read n; do ssh $n ip a": (
        "while read n; do ssh $n ip a",
        Elsewhere(unknown="a loop ran several commands: which of them printed this is not told"),
    ),
    "lxc exec n4 -- ip a": ("ip a", Elsewhere("n4")),
    "minikube ssh": ("", Elsewhere("minikube")),
    "docker ps": ("docker ps", HERE),
    "ssh": ("ssh", HERE),
    "kubectl exec": ("kubectl exec", Elsewhere(unknown="where kubectl ran this is not told")),
    "ip netns exec": ("ip netns exec", HERE),
}


@pytest.mark.parametrize("text", COMMANDS)
def test_a_command_and_where_it_runs(text: str) -> None:
    found = followed(text, HERE)
    assert (found.text, found.place) == COMMANDS[text]


@pytest.mark.parametrize("text", ["sudo " * 5000, "ssh n1 " * 5000, "sh -c '" * 2000, "nsenter -n" + "a" * 100000])
def test_commands_that_never_end_are_left(text: str) -> None:
    assert isinstance(followed(text, HERE).text, str)
