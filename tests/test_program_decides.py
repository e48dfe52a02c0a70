"""policy-enforced where a program decides over packets (kube-network-policies): it is refuted where nobody listens, and undecided where somebody does or may."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.findings import Verdict
from analyzer.query.guarantees import decide
from tests.captures import files_of, network_of

HEALTHY = Path(__file__).parent.parent / "samples" / "healthy" / "kindnet.txt"
ISOLATED = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: isolated, namespace: default}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
"""
TABLE = """table inet kube-network-policies {
\tchain postrouting {
\t\ttype filter hook postrouting priority srcnat - 5; policy accept;
\t\tmeta skuid 0 accept
\t\tct state established,related accept
\t\tip saddr 10.244.0.0/16 queue flags bypass to 100
\t\tip daddr 10.244.0.0/16 queue flags bypass to 100
\t}
}
"""
LISTENS = "  100   1234     0 2 65531     0     0        5  1\n"


@pytest.mark.parametrize(
    ("table", "queues", "verdict"),
    [
        ("", None, Verdict.REFUTED),
        (TABLE, "", Verdict.REFUTED),
        (TABLE, LISTENS, Verdict.UNDECIDED),
        (TABLE, None, Verdict.UNDECIDED),
    ],
    ids=["no table", "nobody listens", "somebody listens", "listeners not captured"],
)
def test_what_a_program_does_is_not_known(tmp_path: Path, table: str, queues: str | None, verdict: Verdict) -> None:
    files = files_of(HEALTHY.read_text()) | {"k8s/policy.yaml": ISOLATED}
    for node in ("n1", "n2"):
        files |= {f"nodes/{node}/nft_list_ruleset": table}
        files |= {f"nodes/{node}/nfnetlink_queue": queues} if queues is not None else {}
    asked = decide(network_of(files, tmp_path), ["policy-enforced", "pod-to-pod"]).guarantees
    found = {item.id: item for item in asked}
    assert found["policy-enforced"].verdict is verdict, found["policy-enforced"].reason
    assert "internal error" not in "".join(item.reason for item in asked)
