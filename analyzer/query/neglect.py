"""What the lowered network does not look at, stage by stage: sets of packets that differ in it only are united."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from analyzer.facts.links import Vxlan
from analyzer.model.later_packets import later_answers_differ
from analyzer.model.network import Namespace, Network
from analyzer.query.once import Whole
from analyzer.solve.sets.neglected import Neglect
from analyzer.solve.states import INDEX, OF_CONNECTION
from analyzer.transfer.ir import Field

HARDWARE = (Field.SOURCE_MAC, Field.DESTINATION_MAC, Field.VLAN)
PHYSICAL = (Field.PHYSICAL_IN, Field.PHYSICAL_OUT)
ABOVE_FRAMES = ("send", "post", "leave", "transmit", "ip receive", "arrived", "input route", "forward", "local in", "deliver")
FRAMES = ("receive", "host", "bridge", "bridge filter")
SAVED = (Field.NEXT_HOP, Field.OUT_INTERFACE, Field.PHYSICAL_IN, Field.PHYSICAL_OUT)
LINKED = {
    "frame": (Field.DESTINATION_MAC,),
    "host": (Field.SOURCE,),
    "bridge filter": (Field.PHYSICAL_IN,),
    "arrived": (Field.IN_INTERFACE,),
    "forward": (Field.IN_INTERFACE, Field.NEXT_HOP),
    "balanced": (Field.DESTINATION, Field.DESTINATION_PORT),
}
ORIGINAL = (Field.ORIGINAL_SOURCE, Field.ORIGINAL_DESTINATION, Field.ORIGINAL_DESTINATION_PORT)
OF_SENDERS = ("--mac-source", "pkttype", "-m owner")
TESTS = (
    (
        {
            "iptables-save": OF_SENDERS,
            "nft": (*OF_SENDERS, "ether ", '"ether"', "@ll", '"ll"', "skuid", "skgid"),
            "ipset": (",mac", "hash:mac"),
            "ovs-flows": ("actions",),
        },
        HARDWARE,
    ),
    ({"iptables-save": ("--ctorig",), "nft": ("--ctorig", "ct original", '"original"'), "ovs-flows": ("ct(",)}, ORIGINAL),
    ({"iptables-save": ("physdev",), "nft": ("physdev", "ibrname", "obrname", "ingress", "egress")}, PHYSICAL),
)
"""Words of each kind of rules, and the fields that nothing tests where no rule has one."""


def neglect(network: Network, family: int) -> Neglect:
    """The fields that are dead at the stages above the frames, unless some rule tests them, and the namespaces without rules."""
    balanced = any(space.virtual_servers for space in network.namespaces.values())
    untested = tuple(
        name for words, names in TESTS if not tested(network, words) and not (balanced and names is ORIGINAL) for name in names
    )
    hidden = tuple(name for name in untested if name is Field.SOURCE_MAC and not any(map(learns, network.namespaces.values())))
    fields = {**dict.fromkeys(ABOVE_FRAMES, untested), **dict.fromkeys(FRAMES, hidden)}
    for stage in ("receive", "host", "ip receive", "local in", "deliver"):
        fields[stage] += (Field.NEXT_HOP,)
    for stage in ("ip receive", "local in", "deliver"):
        fields[stage] += (Field.OUT_INTERFACE,)
    places = {stage: tuple(INDEX[name] for name in names) for stage, names in fields.items()}
    for stage in ("receive", "host", "ip receive"):
        places[stage] += OF_CONNECTION
    beside = () if any(space.switches for space in network.namespaces.values()) else SAVED
    saved = (*(INDEX[name] for name in (*beside, *hidden)), *OF_CONNECTION)
    linked = {stage: tuple(INDEX[name] for name in names) for stage, names in LINKED.items()}
    blind = frozenset(scope for scope, space in network.namespaces.items() if ruleless(space, family))
    return Neglect(places, blind, linked, saved, not told_apart(Whole(network)))


def learns(space: Namespace) -> bool:
    """Whether a device looks at who sent a frame: a port that is locked, or a VXLAN device that asks nobody and learns."""
    flooding = {fact.device for fact in space.forwarding if not fact.mac}
    heard = (isinstance(link.kind, Vxlan) and link.kind.learning and name not in flooding for name, link in space.links.items())
    return any(port.locked for port in space.ports.values()) or any(heard)


@lru_cache(maxsize=4)
def told_apart(key: Whole) -> bool:
    """Whether rules of a network may treat later answers unlike the first."""
    return later_answers_differ(key.network)


def tested(network: Network, words: Mapping[str, Sequence[str]]) -> bool:
    """Whether a text of rules has one of the words for its kind."""
    return any(source.says(word) for source in network.sources.values() for word in words.get(source.kind, ()))


def ruleless(space: Namespace, family: int) -> bool:
    """Whether a namespace has no rule that could look at a connection, as far as the lowering takes it to be known."""
    known = f"netfilter/{family}" not in space.missing
    chains = (chain for ruleset in space.rulesets for table in ruleset.tables.values() for chain in table.values())
    quiet = all(not len(chain.rules) for chain in chains) and all(chain.inert for chain in space.nft_chains)
    native = any(len(chain.rules) for table in space.nft_tables for chain in table.chains.values())
    gaps = any(kind.startswith(("iptables", "nft", "netfilter")) for kind in space.gaps)
    return known and quiet and not native and not gaps and not space.virtual_servers and space.cilium is None
