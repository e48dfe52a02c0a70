"""Whether packets go through policies of IPsec, which rules may ask (net/netfilter/xt_policy.c ``policy_mt``, nft_meta.c ``NFT_META_SECPATH``).

What IPsec does is not followed: verdicts are of packets that it leaves alone. Where policies were captured that transform some, it is not known of which.
"""

from __future__ import annotations

from analyzer.model.network import Namespace


def transformed(space: Namespace) -> tuple[str, bool]:
    """What is asked of a packet, in words, and whether that is open; else it is taken for granted that no policy is for it."""
    some = bool(space.gaps.get("ip-xfrm"))
    return f"{space.scope}: {'a' if some else 'no'} policy of IPsec transforms the packet", some
