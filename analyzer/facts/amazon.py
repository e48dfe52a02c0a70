"""What the AWS VPC CNI's node agent says of addresses."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.addresses import Address
from analyzer.facts.base import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class AmazonAddressFact(Fact):
    """An address that the agent of a node (``scope``) has given to a container. ``interface`` is the cloud's name of the interface that holds it, empty where the record
    does not say; ``pod`` is ``namespace/name``, empty likewise."""

    address: Address
    container: str
    interface: str = ""
    pod: str = ""
