"""nft's ``ip dscp set`` and ``ip ecn set`` (src/payload.c ``payload_stmt``, net/netfilter/nft_payload.c ``nft_payload_set_eval``)."""

from __future__ import annotations

from analyzer.facts.netfilter import SetService
from analyzer.facts.nftables import Bitwise, Payload
from analyzer.parsers._nft_keys import Node, selector
from analyzer.parsers._nft_types import flags


def set_service(protocol: str, name: str, value: Node) -> SetService:
    """A new service class, or ECN's two bits; what is computed of anything else is not known."""
    shift, mask = (2, 0xFC) if name == "dscp" else (0, 0x03)
    family = 4 if protocol == "ip" else 6
    if isinstance(value, int | str):
        return SetService(flags(name, value) << shift, mask, family)
    match None if isinstance(value, dict) and "map" in value else selector(value):
        case Bitwise(Payload(_, of), kept, flip) if of == name:
            return SetService((flip << shift) & mask, mask & ~(kept << shift), family)
        case _:
            return SetService(None, mask, family)


def unshown(target: str) -> SetService:
    """The targets TOS and DSCP of iptables, of which the listing does not say what they set."""
    return SetService(None, 0xFC if target == "DSCP" else 0xFF)
