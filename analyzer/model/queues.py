"""What becomes of packets that a rule hands to a program (``NFQUEUE``, nft's ``queue``).

Where nobody listens on the queue, net/netfilter/nfnetlink_queue.c ``nfqnl_enqueue_packet`` (or, without that module, nf_queue.c ``__nf_queue``) says ESRCH: nf_queue.c
``nf_queue`` then drops the packet, unless the rule bypasses, and core.c ``nf_hook_slow`` goes on with the next base chain, not with the next rule. A listener that asks
for no copies is said EINVAL, and the packet is lost. All others decide themselves. Of several queues the kernel takes one by a hash or by the processor.
"""

from __future__ import annotations

from enum import StrEnum

from analyzer.facts.netfilter import Queue
from analyzer.facts.nftables import NftTableFact
from analyzer.model.captured import folder
from analyzer.model.network import Namespace

FILE = "nfnetlink_queue"
KIND = "nfnetlink-queue"
NO_COPIES = 0


class Handed(StrEnum):
    """What becomes of a packet for a queue: lost, accepted by the base chain as the rule bypasses, or nobody knows."""

    LOST = "lost"
    BYPASSED = "bypassed"
    OPEN = "open"


def handed(space: Namespace, queue: Queue, translating: bool) -> tuple[Handed, ...]:
    """What may become of a packet; more than one where queues differ. ``translating``: the chain is one of address translation, where what a bypass leaves
    undone is not followed."""
    listeners = listened(space)
    if queue.numbers is None or listeners is None:
        return (Handed.OPEN,)
    low, high = queue.numbers
    heard = {mode for number, mode in listeners.items() if low <= number <= high}
    found = {Handed.LOST if mode == NO_COPIES else Handed.OPEN for mode in heard}
    if sum(low <= number <= high for number in listeners) <= high - low:
        found.add((Handed.OPEN if translating else Handed.BYPASSED) if queue.bypass else Handed.LOST)
    return tuple(sorted(found))


def listened(space: Namespace) -> dict[int, int] | None:
    """The modes of the queues that somebody listens on, by number; None where they were not captured, or not all were understood."""
    if space.queues is None or space.gaps.get(KIND):
        return None
    return {fact.number: fact.mode for fact in space.queues}


def asked(space: Namespace, queue: Queue) -> str:
    """Who decides, in words."""
    if listened(space) is None:
        return f"whoever listens on {queue} of {space.scope}, if anybody does,"
    return f"the program that listens on {queue} of {space.scope}"


def settle(space: Namespace) -> str:
    """What would tell."""
    if listened(space) is not None:
        return "the program alone decides"
    if gaps := space.gaps.get(KIND):
        return f"{gaps[0].at}: {gaps[0].reason}"
    return f"{folder(space.scope)}/{FILE} was not captured"


def translates(table: NftTableFact) -> bool:
    """Whether a table has chains of address translation."""
    return any(chain.base is not None and chain.base.kind == "nat" for chain in table.chains.values())
