"""Which address the kernel sends from: ``inet_select_addr`` (net/ipv4/devinet.c); for IPv6 see ``selection_six``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analyzer.addresses import Address, Prefix
from analyzer.facts.links import AddressFact
from analyzer.model.network import Interface
from analyzer.model.registered import in_order
from analyzer.source import Scope
from analyzer.transfer import selection_six
from analyzer.transfer.ir import End, Field, Transfer, Unknown
from analyzer.transfer.space import Context, Outcome, dispatch, drop, flattened, own_network

SCOPES = {"global": 0, "universe": 0, "site": 200, "link": 253, "host": 254}
UNUSABLE = frozenset({"tentative", "dadfailed", "deprecated"})


def rank(fact: AddressFact) -> int:
    """The address's scope as a number, ``global`` lowest."""
    return SCOPES.get(fact.scope_name, 0)


def primary(context: Context, at: Interface) -> tuple[AddressFact, ...]:
    """The device's addresses that may be chosen, in the kernel's order."""
    return tuple(fact for fact in context.held.get(at, ()) if "secondary" not in fact.flags)


def of_device(context: Context, scope: Scope, device: str, limit: int = 0) -> tuple[AddressFact, ...]:
    """The addresses to choose from when a packet leaves by the device: its own up to the scope, else the first of any other device."""
    own = tuple(fact for fact in primary(context, Interface(scope, device)) if rank(fact) <= limit)
    if context.family == 6:
        return own6(own) or own6(others(context, scope, limit))
    return own or others(context, scope, limit)[:1]


def own6(facts: Sequence[AddressFact]) -> tuple[AddressFact, ...]:
    """IPv6 prefers addresses that are neither tentative nor deprecated."""
    return tuple(fact for fact in facts if not fact.flags & UNUSABLE) or tuple(facts)


def others(context: Context, scope: Scope, limit: int) -> tuple[AddressFact, ...]:
    """The addresses of the other devices, in the kernel's order of devices (not those of ``link`` scope), worked out once."""

    def found() -> tuple[AddressFact, ...]:
        facts = (fact for link in in_order(context.space(scope)) for fact in primary(context, Interface(scope, link.name)))
        return tuple(fact for fact in facts if rank(fact) <= limit and fact.scope_name != "link")

    return context.once(("others", scope, limit), found)


def chosen(context: Context, scope: Scope, device: str, towards: Field, outcome: Outcome, limit: int = 0) -> Transfer:
    """The outcome for the address that is chosen, which depends on the next hop: an address of its network, else the first."""
    reason = f"{scope} has no address to send from by {device}"
    words = context.space(scope).missing.get("ip-addr")
    nothing = drop(reason) if words is None else End(Unknown(f"whether {reason} is not known: {words}"))
    if context.family == 6:
        return selection_six.chosen(context, scope, device, outcome, nothing)
    facts = of_device(context, scope, device, limit)
    if not facts:
        return nothing
    own = [fact for fact in facts if fact.device == device]
    networks: dict[Prefix, Address] = {}
    for fact in own[::-1]:
        networks[own_network(fact)] = fact.address
    if len(facts) == 1:
        return outcome(facts[0].address)
    order = {own_network(fact): -place for place, fact in enumerate(reversed(own))}
    rows = [(pair, outcome(networks[best(holders, order)])) for pair, holders in flattened(tuple(networks))]
    return dispatch(towards, rows, outcome(facts[0].address))


def best(holders: Sequence[Prefix], order: Mapping[Prefix, int]) -> Prefix:
    """Of the networks that hold the next hop the first listed (``order``: the places)."""
    return min(holders, key=lambda network: order[network])
