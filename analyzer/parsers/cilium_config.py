"""``cilium config view``: the settings of Cilium's ConfigMap, key and value in two columns (cilium-cli config/config.go ``View``)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.kubernetes import ConfigMapFact, Located
from analyzer.parsers import Parser, gap
from analyzer.parsers._cilium import ENDING, failure
from analyzer.source import Gap, Source, Span

LINE = re.compile(r"(?P<key>[a-z0-9][a-z0-9.-]*)(\s+(?P<value>\S.*?))?\s*")
NAME, NAMESPACE = "cilium-config", "kube-system"


def read(source: Source) -> Iterator[Fact | Gap]:
    """One ConfigMap with every line as a key; gaps for lines of another form."""
    data: dict[str, Located] = {}
    for number, line in enumerate(source.text.split("\n"), 1):
        if not line.strip():
            continue
        found = LINE.fullmatch(line) if len(line) < 1 << 14 else None
        if problem := failure(line):
            yield gap(source, number, problem)
        elif found is None:
            yield gap(source, number, f"expected a key and its value, not {line[:60]!r}")
        else:
            data[found["key"]] = Located(found["value"] or "", Span(source.path, number))
    if data:
        first = next(iter(data.values())).at
        yield ConfigMapFact(at=first, api_version="v1", kind="ConfigMap", name=NAME, namespace=NAMESPACE, data=data)


PARSER = Parser(
    kind="cilium-config",
    read=read,
    names=(r"cilium[-_]config[-_]view" + ENDING,),
    content=re.compile(
        r"^(routing-mode|tunnel-protocol|cluster-pool-ipv4-cidr|kube-proxy-replacement) {3,}\S+\s*$", re.MULTILINE
    ),
)
