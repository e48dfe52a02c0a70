"""Sources of the loopback network, which do not leave a host (``__mkroute_output`` of net/ipv4/route.c)."""

from __future__ import annotations

from analyzer.facts.links import Vrf
from analyzer.facts.routes import NextHop
from analyzer.model.network import Namespace
from analyzer.source import Scope
from analyzer.transfer.ir import KEEP, Field, If, In, Transfer
from analyzer.transfer.space import Context, drop, number

LOOPBACK = (127 << 24, (128 << 24) - 1)


def kept_in(context: Context, scope: Scope, device: str) -> Transfer:
    """A device's ``route_localnet`` lets the host send from such an address by it. Only what is translated is routed elsewhere with one."""
    link = context.space(scope).links.get(device)
    inner = link is None or "LOOPBACK" in link.flags or isinstance(link.kind, Vrf)
    switches = (context.setting(scope, device, "route_localnet"), context.whole(scope, "route_localnet"))
    if context.family == 6 or inner or any(number(one) for one in switches) or not translates(context.space(scope)):
        return KEEP
    reason = f"{scope} sends nothing from a loopback address by {device} (route_localnet is 0)"
    return If(In(Field.SOURCE, (LOOPBACK,)), drop(reason), KEEP)


def translates(space: Namespace) -> bool:
    """Whether anything in a namespace may translate a packet's addresses."""
    legacy = any(table == "nat" for ruleset in space.rulesets for table in ruleset.tables)
    native = (chain.base for table in space.nft_tables for chain in table.chains.values())
    return legacy or any(base is not None and base.kind == "nat" for base in native) or bool(space.virtual_servers)


def vrf_or_own(context: Context, scope: Scope, hop: NextHop) -> str:
    """The device that brings a packet to this host itself."""
    master = context.master(scope, hop.device) if hop.device else None
    link = context.space(scope).links.get(master or "")
    return link.name if link is not None and isinstance(link.kind, Vrf) else "lo"
