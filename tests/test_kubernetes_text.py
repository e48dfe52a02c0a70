"""Kubernetes objects and CNI files: scalars as the API server has them, places, defaults, and damaged text."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.addresses import address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.kubernetes import ConfigMapFact, EndpointsFact, NodeFact, ObjectFact, OtherObjectFact, PodFact, ServiceFact
from analyzer.parsers import (
    _json_documents,
    _yaml,
    cni_config,
    host_local,
    kubernetes,
    plugin_list,
    read,
    resolv_conf,
    subnet_env,
)
from analyzer.source import Gap, Source

# What `kubectl annotate --local -o json` (1.32) makes of each scalar.
SCALARS: dict[str, Any] = {
    "52:54:00:12:34:56": "52:54:00:12:34:56",
    "1:2:3:4:5:6:7:8": "1:2:3:4:5:6:7:8",
    "12:30": "12:30",
    "12:30:45": "12:30:45",
    "2026-01-01": "2026-01-01",
    "2026-01-01T00:00:00Z": "2026-01-01T00:00:00Z",
    "=": "=",
    "08080": 8080,
    "0777": 511,
    "0o14": 12,
    "0o8": "0o8",
    "1e3": 1000,
    "1.0": 1,
    "1.5": 1.5,
    "y": True,
    "Yes": True,
    "no": False,
    "on": True,
    "OFF": False,
    "tRue": "tRue",
    "Null": None,
    "~": None,
    "1_000": 1000,
    "0x1F": 31,
    "-0x1F": -31,
    "0b101": 5,
    "+5": 5,
    "+.5": 0.5,
    "5.": 5,
    "1E400": "1E400",
    "1__0": 10,
    "0x": "0x",
    "0b2": "0b2",
    "9223372036854775807": 9223372036854775807,
    "09": 9,
    "1_0.5": 10.5,
    "_1": "_1",
    "!!str 5": "5",
    '!!int "5"': 5,
    "!!binary aGk=": "hi",
    "!foo bar": "bar",
    '"yes"': "yes",
    "'5'": "5",
    "1e21": 1e21,
    "<<": "<<",
    "0o1_7": 15,
    "1.2.3": "1.2.3",
    ".": ".",
}


def facts_of(text: str, parser: Any = kubernetes, path: str = "k8s/x.yaml") -> tuple[list[Any], list[Gap]]:
    """The facts and the gaps of a text."""
    items = list(read(parser.PARSER, Source(path, text, parser.PARSER.kind)))
    return [item for item in items if isinstance(item, Fact)], [item for item in items if isinstance(item, Gap)]


@pytest.mark.parametrize("text", SCALARS)
def test_scalars_are_those_of_the_api_server(text: str) -> None:
    found = list(_yaml.documents(Source("x", f"spec:\n  v: {text}\n")))
    assert not isinstance(found[0], Gap)
    value = found[0].value["spec"]["v"]
    assert value == SCALARS[text]
    assert isinstance(value, bool) == isinstance(SCALARS[text], bool)


@pytest.mark.parametrize("text", [".inf", ".nan", "-.Inf"])
def test_what_json_cannot_hold_is_a_gap(text: str) -> None:
    assert [type(item) for item in _yaml.documents(Source("x", f"v: {text}\n"))] == [Gap]


def test_merge_keys_as_goyaml_v2() -> None:
    text = 'base: &b {p: 1, q: 2}\nspec:\n  p: 5\n  <<: *b\n  q: 7\n  "on": 1\n  5: 2\n  true: 3\n  1.5: 4\n'
    (document,) = _yaml.documents(Source("x", text))
    assert not isinstance(document, Gap)
    assert document.value["spec"] == {"p": 1, "q": 7, "on": 1, "5": 2, "true": 3, "1.5": 4}


def test_a_key_twice_is_a_gap() -> None:
    gap, document = _yaml.documents(Source("x", "a: 1\nb: 2\na: 3\n"))
    assert isinstance(gap, Gap)
    assert (gap.at.line, gap.at.column) == (3, 1)
    assert not isinstance(document, Gap)
    assert document.value == {"a": 3, "b": 2}


def test_aliases_and_depth_are_limited() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    for text in (bomb, "a: &a [*a]\n", "[" * 100_000, "{a: " * 5_000, "- " * 3_000 + "x", "a: &x b\nc: *y\n"):
        started = time.monotonic()
        assert any(isinstance(item, Gap) for item in _yaml.documents(Source("x", text)))
        assert time.monotonic() - started < 5
    assert any(isinstance(item, Gap) for item in _json_documents.documents(Source("x", "[" * 100_000)))


def test_a_broken_document_loses_only_itself() -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\n"
    known, gaps = facts_of(f"{pod % 'a'}---\napiVersion: v1\n\tkind: Pod\n---\n{pod % 'b'}---\n# nothing\n---\n{{{{ helm }}}}\n")
    assert [fact.name for fact in known] == ["a", "b"]
    assert [gap.at.line for gap in gaps] == [6, 14]


def test_a_broken_item_loses_only_itself() -> None:
    item = "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: %s\n"
    bad = "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: [\n"
    known, gaps = facts_of(f"apiVersion: v1\nitems:\n{item % 'a'}{bad}{item % 'b'}{item % 'c'}kind: List\n")
    assert [fact.name for fact in known] == ["a", "b", "c"]
    assert gaps


def test_a_list_that_is_cut_says_so() -> None:
    item = "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: %s\n"
    _, gaps = facts_of(f"apiVersion: v1\nitems:\n{item % 'a'}{item % 'b'}")
    assert "breaks off" in gaps[0].reason


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
        ("spec:\n  selector:\n    app: yes\n", 6, "spec.selector['app'] must be a string, not True"),
        ("spec:\n  ports:\n  - x\n", 6, "spec.ports[0] must be an object, not 'x'"),
        ("spec:\n  clusterIP: ten\n", 5, "'ten' does not appear to be an IPv4 or IPv6 address"),
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


@given(st.text(alphabet=st.sampled_from("abk:- \n\"'{}[],&*!|>#0\t1<"), max_size=120))  # type: ignore[untyped-decorator]
def test_any_text_is_read_or_a_gap(text: str) -> None:
    facts_of(text)
    facts_of("{" + text)


def test_blank_documents_cost_nothing() -> None:
    started = time.monotonic()
    assert list(_yaml.documents(Source("x", "# comment \n" * 50_000 + "---\n" * 20_000))) == []
    assert time.monotonic() - started < 2


def test_the_head_of_a_document_is_found_after_comments() -> None:
    assert kubernetes.PARSER.content is not None
    assert re.search(kubernetes.PARSER.content, "# licence\n\n---\napiVersion: v1\nkind: Pod\n")


BLOCKS = """\
apiVersion: v1
items:
- apiVersion: v1
  kind: ConfigMap
  metadata:
    name: c
  data:
    a: |
      x

      y
- apiVersion: v1
  kind: Pod
  metadata:
    annotations:
      x: "a\\nb"
      y: 'it'
    labels: {}
    name: p
  spec:
    containers:
    - args: ["a", b]
      name: c
    - command:
      - --x=1
      - a: b
      name: d
  status:
    podIP: 10.0.0.1
- apiVersion: v1
  kind: Service
  metadata:
    name: web
  spec:
    clusterIP: 10.96.0.5
    ports:
    - port: 80
      targetPort: http
    selector:
      on: "yes"
kind: List
metadata:
  resourceVersion: ""
"""
PIECES = [
    " ",
    "\n",
    "- ",
    ": ",
    "#",
    " #",
    '"',
    "'",
    "{}",
    "[]",
    "x",
    "y: z",
    "\n  ",
    "\n- ",
    "\t",
    "&a ",
    "*a",
    "|",
    "-",
    "~",
    "? ",
]
PIECES += [
    "null",
    "...",
    "\\",
    ",",
    "<<",
    "\n---\n",
    "a:\n",
    "on",
    "items:\n",
    "kind: x\n",
    "\nitems:\n- ",
    "\n\n",
    "\n# c\n",
    "\u00e9",
]
CHANGE = st.tuples(st.integers(0, len(BLOCKS)), st.sampled_from(PIECES), st.integers(0, 2))


def told(text: str) -> list[str]:
    """All that a text says: facts with their documents and every place, and gaps."""
    known, gaps = facts_of(text)
    return sorted(map(repr, [*gaps, *((fact, fact.at, fact.document, list(fact.places.items())) for fact in known)]))


@given(st.lists(CHANGE, max_size=3), st.booleans())  # type: ignore[untyped-decorator]
def test_reading_by_lines_says_what_the_parser_of_yaml_says(changes: list[tuple[int, str, int]], alone: bool) -> None:
    text = BLOCKS.partition("items:\n- ")[2].partition("\n- ")[2].replace("\n- ", "\n---\n  ") if alone else BLOCKS
    text = re.sub("(?m)^  ", "", text) if alone else text
    for offset, piece, cut in changes:
        text = text[:offset] + piece + text[offset + cut :]
    by_lines = told(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_yaml, "written_by_kubectl", lambda *_: None)
        assert by_lines == told(text)


def test_what_kubectl_writes_is_read_by_lines() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_yaml, "events", None)
        service = BLOCKS[: BLOCKS.index("- ")] + BLOCKS[BLOCKS.rindex("- apiVersion") :]
        known, gaps = facts_of(service)
    assert gaps == []
    assert isinstance(known[0], ServiceFact)
    assert known[0].selector == {"true": "yes"}
