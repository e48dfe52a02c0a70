"""To which ports a bridge does not flood a question for a neighbour, and which it may answer itself (net/bridge/br_forward.c, br_arp_nd_proxy.c)."""

from __future__ import annotations

from analyzer.model.network import Interface
from analyzer.transfer.space import Context


def kept_back(context: Context, step: tuple[str, Interface, int], further: tuple[str, Interface, int]) -> bool:
    """Whether a bridge does not flood a question to a port (``br_flood``): what the bridge's own host asks it always does, but to ports with proxy_arp, to which
    it floods nothing."""
    link = context.link(further[1])
    if further[0] != "frame" or (step[0] == "frame" and (link is None or link.master != step[1].device)):
        return False
    port = context.space(further[1].scope).ports.get(further[1].device)
    if port is None or port.proxy_arp:
        return port is not None
    return step[0] == "receive" and (port.broadcast_flood if context.family == 4 else port.multicast_flood) is False


def answers_itself(context: Context, step: tuple[str, Interface, int]) -> str:
    """That a bridge may answer what a port with proxy_arp asks, from its host's neighbours (br_arp_nd_proxy.c ``br_do_proxy_suppress_arp``); else empty."""
    if step[0] != "receive" or context.family != 4:
        return ""
    port = context.space(step[1].scope).ports.get(step[1].device)
    return (
        f"whether the bridge of {step[1]}, a port with proxy_arp, answers itself is not known" if port and port.proxy_arp else ""
    )
