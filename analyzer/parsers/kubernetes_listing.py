"""Tables of ``kubectl get`` and texts of ``kubectl describe``: what people paste of objects, which say less than the objects do.

The subject is the command, where it is known, which says the namespace that no column does. A table is never taken for all there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.parsers import Parser
from analyzer.parsers._kubectl_described import texts
from analyzer.parsers._kubectl_tables import is_table, tables
from analyzer.source import Gap, Source

NAMESPACE = re.compile(r"(?:^|[ _])(?:-n|--namespace)[ =_]?(?P<namespace>[a-z0-9-]+)")


def read(source: Source) -> Iterator[Fact | Gap]:
    """What is said of each object, in order."""
    if is_table(source.text):
        found = NAMESPACE.search(source.subject)
        return tables(source, found["namespace"] if found else "")
    return texts(source)


PARSER = Parser(
    kind="kubernetes-listing",
    read=read,
    names=(r"(?P<subject>(kubectl|oc)_(-\S+_)*describe_\S+)",),
    content=re.compile(
        r"\A\s*(?:NAMESPACE  +)?NAME  +(?:READY  +STATUS  +RESTARTS|STATUS  +ROLES|TYPE  +CLUSTER-IP|ENDPOINTS  +AGE|POD-SELECTOR  +AGE|ADDRESSTYPE  +PORTS  +ENDPOINTS)\b"
        r"|\A\s*Name:[ \t]+\S+[ \t]*\n(?:Namespace|Labels|Roles|Priority|Annotations|API Version|Created on|Spec):"
    ),
    per="cluster",
    kept=True,
)
