"""Security groups of Amazon's cloud, as ``aws ec2 describe-security-groups`` gives them in JSON: ``{"SecurityGroups": [...]}``.

Follows the EC2 API reference (SecurityGroup, IpPermission). ``describe-security-group-rules`` is another command and is not read.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.clouds import SecurityGroupFact
from analyzer.parsers import Parser
from analyzer.parsers._documents import below
from analyzer.parsers._json_documents import documents
from analyzer.source import Gap, Source


def read(source: Source) -> Iterator[Fact | Gap]:
    """The groups, in order."""
    for document in documents(source):
        if isinstance(document, Gap):
            yield document
            continue
        groups = document.value.get("SecurityGroups") if isinstance(document.value, dict) else None
        if not isinstance(groups, list):
            yield Gap(document.places[()], "expected an object with the list SecurityGroups", source.kind, source.scope)
            continue
        for index, item in enumerate(groups):
            places = below(document.places, ("SecurityGroups", index))
            if isinstance(item, dict) and isinstance(item.get("GroupId"), str):
                yield SecurityGroupFact(at=places[()], group=item["GroupId"], document=item, places=places)
            else:
                yield Gap(places[()], "no security group: it has no GroupId", source.kind, source.scope)


PARSER = Parser(
    kind="aws-security-groups", read=read, names=(r"aws_ec2_describe-security-groups(_-\S+)*(\.json)?",), per="cluster"
)
