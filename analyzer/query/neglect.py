"""What the lowered network does not look at, stage by stage: sets of packets that differ in it only are united."""

from __future__ import annotations

from analyzer.model.network import Namespace, Network
from analyzer.solve.diagrams import Neglect
from analyzer.solve.states import INDEX, OF_CONNECTION
from analyzer.transfer.ir import Field

HARDWARE = (Field.SOURCE_MAC, Field.DESTINATION_MAC, Field.VLAN)
PHYSICAL = (Field.PHYSICAL_IN, Field.PHYSICAL_OUT)
ABOVE_FRAMES = ("send", "post", "leave", "transmit", "ip receive", "input route", "forward", "local in", "deliver")
RULES = ("iptables-save", "nft")


def neglect(network: Network, family: int) -> Neglect:
    """The fields that are dead at the stages above the frames, unless some rule tests them, and the namespaces without rules."""
    fields: dict[str, list[Field]] = {stage: [] for stage in (*ABOVE_FRAMES, "receive", "host")}
    hardware = () if tested(network, "--mac-source", "ether ") else HARDWARE
    physical = () if tested(network, "physdev", "ibrname", "obrname") else PHYSICAL
    for stage in ABOVE_FRAMES:
        fields[stage] += (*hardware, *physical)
    for stage in ("receive", "host", "ip receive", "local in", "deliver"):
        fields[stage].append(Field.NEXT_HOP)
    for stage in ("ip receive", "local in", "deliver"):
        fields[stage].append(Field.OUT_INTERFACE)
    places = {stage: tuple(INDEX[name] for name in names) for stage, names in fields.items()}
    places["ip receive"] += OF_CONNECTION
    return Neglect(places, frozenset(scope for scope, space in network.namespaces.items() if ruleless(space, family)))


def tested(network: Network, *words: str) -> bool:
    """Whether a text of rules has one of the words."""
    texts = (source.text for source in network.sources.values() if source.kind in RULES)
    return any(word in text for text in texts for word in words)


def ruleless(space: Namespace, family: int) -> bool:
    """Whether a namespace has no rule that could look at a connection, as far as the lowering takes it to be known."""
    known = f"netfilter/{family}" not in space.missing
    chains = (chain for ruleset in space.rulesets for table in ruleset.tables.values() for chain in table.values())
    quiet = all(not len(chain.rules) for chain in chains) and all(chain.inert for chain in space.nft_chains)
    gaps = any(kind.startswith(("iptables", "nft", "netfilter")) for kind in space.gaps)
    return known and quiet and not gaps
