"""Kubernetes objects and CNI files: scalars as the API server has them, places, defaults, and damaged text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from analyzer.addresses import address, prefix
from analyzer.facts.kubernetes import ConfigMapFact, EndpointsFact, NodeFact, ObjectFact, OtherObjectFact, PodFact, ServiceFact
from analyzer.parsers import (
    _yaml,
    cni_config,
    host_local,
    kubernetes,
    plugin_list,
    resolv_conf,
    subnet_env,
)
from analyzer.source import Gap, Source
from tests.captures import facts_of

MANIFEST = """\
apiVersion: v1
kind: Node
metadata:
  name: n1
spec:
  podCIDRs: [10.244.1.0/24, "fd00:1::/64"]
status:
  addresses:
  - address: 192.168.1.1
    type: InternalIP
  - {address: n1, type: Hostname}
  conditions:
  - {type: Ready, status: "True"}
---
apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {app: web}
spec:
  nodeName: n1
  containers:
  - name: c
    ports:
    - containerPort: 80
      hostPort: 8080
status:
  phase: Running
  podIPs:
  - ip: 10.244.1.5
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.96.0.5
  ports:
  - port: 80
  - port: 443
    protocol: UDP
    targetPort: https
    nodePort: 30443
  sessionAffinity: ClientIP
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-abc
  namespace: shop
  labels: {kubernetes.io/service-name: web}
addressType: IPv4
endpoints:
- addresses: [10.244.1.5]
  conditions: {}
  nodeName: n1
- addresses: [10.244.1.6]
  conditions: {ready: false, serving: true, terminating: true}
ports:
- {name: "", port: 80}
---
apiVersion: v1
kind: Endpoints
metadata: {name: old, namespace: shop}
subsets:
- addresses: [{ip: 10.244.1.5}]
  notReadyAddresses: [{ip: 10.244.1.7}]
  ports: [{port: 80}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-flannel-cfg, namespace: kube-flannel}
data:
  net-conf.json: |
    {"Network": "10.244.0.0/16"}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {}}
"""


def test_objects_and_their_defaults() -> None:
    known, gaps = facts_of(MANIFEST)
    assert gaps == []
    node, pod, service, slice_, endpoints, config, policy = known
    assert isinstance(node, NodeFact)
    assert node.pod_cidrs == (prefix("10.244.1.0/24"), prefix("fd00:1::/64"))
    assert node.addresses == (("InternalIP", address("192.168.1.1")),)
    assert (node.ready, node.network_unavailable) == (True, None)
    assert isinstance(pod, PodFact)
    assert (pod.namespace, pod.node, pod.addresses) == ("default", "n1", (address("10.244.1.5"),))
    assert (pod.ports[0].protocol, pod.ports[0].host_port, pod.ports[0].host_address) == (6, 8080, None)
    assert isinstance(service, ServiceFact)
    assert [(port.protocol, port.port, port.target, port.node_port) for port in service.ports] == [
        (6, 80, 80, 0),
        (17, 443, "https", 30443),
    ]
    assert service.affinity_seconds == 10800
    assert service.selector is None
    assert isinstance(slice_, EndpointsFact)
    assert [(e.ready, e.serving, e.terminating) for e in slice_.endpoints] == [(True, True, False), (False, True, True)]
    assert slice_.ports == (("", 6, 80),)
    assert isinstance(endpoints, EndpointsFact)
    assert [(str(e.address), e.ready) for e in endpoints.endpoints] == [("10.244.1.5", True), ("10.244.1.7", False)]
    assert isinstance(config, ConfigMapFact)
    assert "net-conf.json: |" in MANIFEST.split("\n")[config.data["net-conf.json"].at.line - 1]
    assert isinstance(policy, OtherObjectFact)
    assert policy.namespace == "default"


def test_places_are_those_of_the_values() -> None:
    known, _ = facts_of(MANIFEST)
    lines = MANIFEST.split("\n")
    for fact in known:
        for key, span in fact.places.items():
            value: Any = fact.document
            for part in key:
                value = value[part]
            if isinstance(value, str) and span.end_column:
                assert lines[span.line - 1][span.column - 1 : span.end_column - 1].strip("\"'") == value


def test_json_gives_the_same_facts_and_exact_places() -> None:
    documents = [item.value for item in _yaml.documents(Source("x", MANIFEST)) if not isinstance(item, Gap)]
    for indent in (None, 4):
        text = json.dumps({"apiVersion": "v1", "items": documents, "kind": "List"}, indent=indent)
        known, gaps = facts_of(text, path="k8s/x.json")
        assert gaps == []
        assert known == facts_of(MANIFEST)[0]
        lines = text.split("\n")
        for fact in known:
            for key, span in fact.places.items():
                value = fact.document
                for part in key:
                    value = value[part]
                if isinstance(value, str) and key:
                    assert json.loads(lines[span.line - 1][span.column - 1 : span.end_column - 1]) == value


def test_typed_lists_name_the_kind_of_their_items() -> None:
    for text in (
        '{"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "a"}}]}',
        "kind: PodList\napiVersion: v1\nitems:\n- metadata: {name: a}\n",
    ):
        known, gaps = facts_of(text)
        assert gaps == []
        assert [(type(fact), fact.name) for fact in known] == [(PodFact, "a")]


def test_json_that_breaks_off_keeps_what_is_whole() -> None:
    known, gaps = facts_of('{"apiVersion": "v1", "items": [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}, {"api')
    assert [fact.name for fact in known] == ["a"]
    assert "broken here" in gaps[0].reason


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("spec:\n  ports: 80\n", 5, "spec.ports must be a list, not 80"),
        ("spec:\n  selector:\n    app: yes\n", 6, "spec.selector['app'] must be a string, not true"),
        ("spec:\n  ports:\n  - x\n", 6, "spec.ports[0] must be an object, not 'x'"),
        ("spec:\n  clusterIP: ten\n", 5, "'ten' is no address"),
        ("spec: []\n", 4, "spec must be an object, not a list"),
        ("spec:\n  ports:\n  - port: '80'\n", 6, "spec.ports.0.port must be an integer, not '80'"),
        ("spec:\n  ports:\n  - {port: 80, protocol: tcp}\n", 6, "protocol 'tcp' is none of TCP, UDP and SCTP"),
    ],
)
def test_wrong_types_are_gaps_at_their_place(text: str, line: int, words: str) -> None:
    known, gaps = facts_of(f"apiVersion: v1\nkind: Service\nmetadata: {{name: x}}\n{text}")
    assert len(known) == 1
    assert [(gap.at.line, gap.reason) for gap in gaps] == [(line, words)]


CNI = '{\n  "cniVersion": "0.3.1",\n  "name": "cbr0",\n  "plugins": [\n    {"type": "flannel", "delegate": {"hairpinMode": true}},\n    {"type": "portmap"}\n  ]\n}\n'


def test_cni_files() -> None:
    (fact,), gaps = facts_of(CNI, cni_config, "nodes/n1/etc/cni/net.d/10-flannel.conflist")
    assert gaps == []
    assert (fact.file, fact.name, fact.version, fact.problem) == ("10-flannel.conflist", "cbr0", "0.3.1", "")
    assert [plugin["type"] for plugin in fact.plugins] == ["flannel", "portmap"]
    assert (fact.places[("plugins", 1, "type")].line, fact.places[("name",)].column) == (6, 11)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("a.conflist", "{", "broken"),
        ("a.conflist", "[]", "no JSON object"),
        ("a.conflist", '{"name": "x", "plugins": []}', "empty"),
        ("a.conflist", '{"name": "x"}', "empty"),
        ("a.conflist", '{"name": "-x", "plugins": [{"type": "a"}]}', "must begin with"),
        ("a.conflist", '{"plugins": [{"type": "a"}]}', "no name"),
        ("a.conflist", '{"name": "x", "plugins": [{}]}', "plugins[0] has no type"),
        ("a.conflist", '{"name": "x", "plugins": [{"type": "/bin/sh"}]}', "plain file name"),
        ("a.conflist", '{"name": "x", "cniVersion": 1, "plugins": [{"type": "a"}]}', "cniVersion must be a string"),
        ("a.conf", '{"name": "x"}', "has no type"),
        ("a.conf", '{"name": "x", "type": "bridge"}', ""),
    ],
)
def test_why_a_runtime_passes_over_a_file(file: str, text: str, words: str) -> None:
    (fact,), _ = facts_of(text, cni_config, f"etc/cni/net.d/{file}")
    assert words in fact.problem if words else fact.problem == ""


def test_leases_and_other_files() -> None:
    (lease,), _ = facts_of("abc\r\neth0", host_local, "nodes/n1/var/lib/cni/networks/cbr0/10.244.0.2")
    assert (lease.network, str(lease.address), lease.container, lease.interface) == ("cbr0", "10.244.0.2", "abc", "eth0")
    (cursor,), _ = facts_of("fd00::2", host_local, "var/lib/cni/networks/cbr0/last_reserved_ip.1")
    assert str(cursor.address) == "fd00::2"
    assert facts_of("", host_local, "var/lib/cni/networks/cbr0/lock") == ([], [])
    assert facts_of("x", host_local, "var/lib/cni/networks/cbr0/nonsense")[1]
    listing = "total 8\n-rwxr-xr-x 1 root root 2000 Jan  1 10:00 bridge\nlrwxrwxrwx 1 root root 3 Jan  1  2020 calico -> x\nhost-local\nloopback  ptp\n"
    names = [fact.name for fact in facts_of(listing, plugin_list, "opt_cni_bin")[0]]
    assert names == ["bridge", "calico", "host-local", "loopback", "ptp"]
    (resolver,), gaps = facts_of(
        "nameserver 10.96.0.10\nsearch a b\nsearch c\noptions ndots:5\nbad\n", resolv_conf, "etc/resolv.conf"
    )
    assert (len(resolver.servers), resolver.search, resolver.options) == (1, ("c",), ("ndots:5",))
    assert [gap.at.line for gap in gaps] == [5]
    (env,), _ = facts_of("FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_MTU=1450\n", subnet_env, "run/flannel/subnet.env")
    assert env.values == (("FLANNEL_NETWORK", "10.244.0.0/16"), ("FLANNEL_MTU", "1450"))


DAMAGED = [
    (kubernetes, "k8s/x.yaml", MANIFEST),
    (
        kubernetes,
        "k8s/x.json",
        '{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"},"spec":{"podCIDRs":["1.2.3.0/24"]}}]}',
    ),
    (cni_config, "etc/cni/net.d/a.conflist", CNI),
    (host_local, "var/lib/cni/networks/x/10.0.0.1", "abc\r\neth0"),
    (resolv_conf, "etc/resolv.conf", "nameserver 1.1.1.1\nsearch a\n"),
    (subnet_env, "run/flannel/subnet.env", "FLANNEL_MTU=1450\n"),
    (plugin_list, "opt_cni_bin", "bridge\nhost-local\n"),
]


@pytest.mark.parametrize(("parser", "path", "text"), DAMAGED, ids=[path for _, path, _ in DAMAGED])
def test_damaged_text_never_raises(parser: Any, path: str, text: str) -> None:
    step = max(1, len(text) // 250)
    for offset in range(0, len(text), step):
        for damaged in (
            text[:offset],
            *(text[:offset] + piece + text[offset + 1 :] for piece in ("\x15", "{", "\n", "- ", '"', "&a *a")),
        ):
            for fact in facts_of(damaged, parser, path)[0]:
                if isinstance(fact, ObjectFact):
                    len(fact.places)


def test_dotted_addresses_are_those_of_the_library() -> None:
    from ipaddress import ip_address, ip_interface

    for text in (
        "10.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "01.2.3.4",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.٣",
        "",
        "1..2.3",
    ):
        for length in ("", "/0", "/24", "/08", "/32", "/33", "/255.255.0.0", "/", "/1/2"):
            for ours, theirs in ((address, ip_address), (prefix, ip_interface)):
                try:
                    expected = str(theirs(text + length))
                except ValueError:
                    with pytest.raises(ValueError, match=r".*"):
                        ours(text + length)
                    continue
                found = str(ours(text + length))
                assert found == (expected if ours is address else str(ip_interface(expected).network))


def test_items_of_a_list_that_are_no_objects_lose_no_others() -> None:
    first, second = (f'{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "{name}"}}}}' for name in "ab")
    text = f'{{"apiVersion": "v1", "kind": "List", "items": [{first}, 5, null, true, {second}, "x"]}}'
    known, gaps = facts_of(text)
    assert [fact.name for fact in known] == ["a", "b"]
    assert [gap.reason for gap in gaps] == [f"no Kubernetes object, but {value}" for value in ("5", "true", "'x'")]
    assert [text[gap.at.column - 1 :][:1] for gap in gaps] == ["5", "t", '"']
