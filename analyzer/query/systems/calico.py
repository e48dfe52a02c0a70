"""Calico's objects: what its API server and its components refuse (projectcalico/calico libcalico-go/lib/validator/v3/validator.go,
clientv3/ippool.go and bgppeer.go), and which nodes a pool is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analyzer.addresses import Prefix
from analyzer.addresses import prefix as read_prefix
from analyzer.facts.kubernetes import NodeFact, ObjectFact
from analyzer.model.network import Network
from analyzer.policy.calico.endpoints import selects
from analyzer.policy.calico.selectors import read_selector
from analyzer.query.refusals import Refusal, address_in, host_bits, network_in, number_of, objects, spec_of, word_of
from analyzer.ranges import Ranges, normalised
from analyzer.source import Span

GROUP = "projectcalico.org"
MODES = ("Always", "CrossSubnet", "Never")
BLOCK = {4: (26, 20, 32), 6: (122, 116, 128)}
LINK_LOCAL = (read_prefix("169.254.0.0/16"), read_prefix("fe80::/10"))
ASN_MOST = 2**32 - 1
FELIX_NUMBERS = {
    "vxlanPort": (1, 65535),
    "vxlanVNI": (1, 2**24 - 1),
    "vxlanMTU": (0, 65535),
    "ipipMTU": (0, 65535),
    "wireguardMTU": (0, 65535),
    "wireguardListeningPort": (1, 65535),
}
FELIX_WORDS = {
    "chainInsertMode": ("Insert", "Append", "insert", "append"),
    "defaultEndpointToHostAction": ("Drop", "Accept", "Return", "DROP", "ACCEPT", "RETURN"),
    "iptablesBackend": ("Legacy", "NFT", "Auto", "legacy", "nft", "auto"),
    "routeSource": ("CalicoIPAM", "WorkloadIPs"),
    "natOutgoingExclusions": ("IPPoolsOnly", "IPPoolsAndHostIPs"),
}
ADVERTISED = ("serviceClusterIPs", "serviceExternalIPs", "serviceLoadBalancerIPs")
MARK_MASKS = ("iptablesMarkMask", "nftablesMarkMask")
MARKS_LEAST, MARKS_WANTED, MARKS_OF_EBPF = 4, 8, 0x1FF00000
"""Felix' marks: accept, pass and two of scratch, without which it ends; how many its documentation asks for; those of the programs of eBPF
(felix/dataplane/driver.go, felix/bpf/tc/defs)."""
SELECTORS = {"IPPool": ("nodeSelector", "namespaceSelector"), "BGPPeer": ("nodeSelector", "peerSelector")}


@dataclass(frozen=True, slots=True)
class Pool:
    """An IPPool. ``block`` is the length of its blocks; ``selector`` says for which nodes it is."""

    fact: ObjectFact
    prefix: Prefix
    block: int
    disabled: bool
    selector: str
    uses: tuple[str, ...]
    manual: bool

    @property
    def for_pods(self) -> bool:
        """Whether new pods get addresses of it by themselves."""
        return not self.disabled and "Workload" in self.uses and not self.manual

    def serves(self, node: NodeFact) -> bool | None:
        """Whether the pool is for a node; None where its selector cannot be read."""
        try:
            return selects(read_selector(self.selector), node.labels) if self.selector.strip() else True
        except ValueError:
            return None


def pools(network: Network) -> Iterator[Pool]:
    """The pools whose network can be read."""
    for fact in objects(network, "IPPool", GROUP):
        spec = spec_of(fact)
        found = network_in(spec.get("cidr"))
        if found is not None:
            size, uses = spec.get("blockSize"), spec.get("allowedUses")
            yield Pool(
                fact,
                found,
                size if isinstance(size, int) and size else BLOCK[found.family][0],
                spec.get("disabled") is True,
                str(spec.get("nodeSelector") or ""),
                tuple(map(str, uses)) if isinstance(uses, list) and uses else ("Workload", "Tunnel"),
                spec.get("assignmentMode") == "Manual",
            )


def refusals(network: Network) -> Iterator[Refusal]:
    """What is refused in Calico's objects."""
    for fact in objects(network, "IPPool", GROUP):
        yield from pool(fact)
    yield from overlapping(network)
    for fact in objects(network, "BGPPeer", GROUP):
        yield from peer(fact)
    for kind, keys in SELECTORS.items():
        for fact in objects(network, kind, GROUP):
            yield from (found for key in keys if (found := selector_of(fact, key)) is not None)
    for place, text, told in reservations(network):
        if told is None:
            yield Refusal(place, f"{text!r} of reservedCIDRs is no network and no address")
    for fact in objects(network, "BGPConfiguration", GROUP):
        yield from as_number(fact)
        yield from number_of(fact, "listenPort", 1, 65535)
        yield from advertised(fact)
    for fact in objects(network, "FelixConfiguration", GROUP):
        for key, (low, high) in FELIX_NUMBERS.items():
            yield from number_of(fact, key, low, high)
        for key, known in FELIX_WORDS.items():
            yield from word_of(fact, key, known)
        yield from mark_mask(fact)
    for kind in ("IPAMConfiguration", "IPAMConfig"):
        for fact in objects(network, kind, GROUP):
            yield from number_of(fact, "maxBlocksPerHost", 0, 2**31 - 1)


def pool(fact: ObjectFact) -> Iterator[Refusal]:
    """What is wrong with a pool by itself."""
    spec, place = spec_of(fact), fact.place
    yield from word_of(fact, "ipipMode", MODES)
    yield from word_of(fact, "vxlanMode", MODES)
    text = spec.get("cidr")
    found = network_in(text)
    if found is None:
        yield Refusal(place("spec", "cidr"), f"cidr {text!r} is no network" if text is not None else "there is no cidr")
        return
    if host_bits(str(text)):
        yield Refusal(place("spec", "cidr"), f"cidr {text} is not the address of a network: Calico takes {found}", certain=False)
    ipip, vxlan = (spec.get(key) in ("Always", "CrossSubnet") for key in ("ipipMode", "vxlanMode"))
    if ipip and vxlan:
        yield Refusal(place("spec", "vxlanMode"), "ipipMode and vxlanMode cannot both be on")
    if ipip and found.family == 6:
        yield Refusal(place("spec", "ipipMode"), "IPIP is not for a pool of IPv6")
    if any(found.overlaps(other) for other in LINK_LOCAL):
        yield Refusal(place("spec", "cidr"), f"{found} overlaps the link-local addresses")
    yield from block_size(fact, found)


def block_size(fact: ObjectFact, found: Prefix) -> Iterator[Refusal]:
    """A block that is too large or too small for its family, or larger than the pool."""
    size = spec_of(fact).get("blockSize")
    usual, low, high = BLOCK[found.family]
    value = size if isinstance(size, int) and not isinstance(size, bool) and size else usual
    if not low <= value <= high:
        yield Refusal(fact.place("spec", "blockSize"), f"blockSize {size} is not between {low} and {high}")
    elif found.length > value:
        yield Refusal(fact.place("spec", "cidr"), f"{found} is smaller than one block of it, which is a /{value}")


def overlapping(network: Network) -> Iterator[Refusal]:
    """Pools that share addresses, those that the operator is told to make among them; a pool that comes later is refused (libcalico-go
    lib/clientv3/ippool.go, validateAndSetDefaults). The operator's pool may be there as an object, too: it has the same network then."""
    found = [(item.prefix, f"IPPool {item.fact.name}", item.fact.place("spec", "cidr")) for item in pools(network)]
    there = {prefix for prefix, _, _ in found}
    told = (item for item in network.cluster.ranges if item.purpose == "pod" and item.said_by.startswith("Installation "))
    found += [(item.prefix, item.said_by, item.at) for item in told if item.prefix not in there]
    widest: tuple[Prefix, str, Span] | None = None
    for one in sorted(found):
        if widest is not None and widest[0].overlaps(one[0]):
            yield Refusal(one[2], f"{one[0]} overlaps {widest[0]} of {widest[1]}")
        else:
            widest = one


def peer(fact: ObjectFact) -> Iterator[Refusal]:
    """What is wrong with a peering."""
    spec = spec_of(fact)
    for one, two in (("node", "nodeSelector"), ("peerIP", "peerSelector"), ("peerSelector", "asNumber")):
        if spec.get(one) and spec.get(two):
            yield Refusal(fact.place("spec", two), f"{one} and {two} cannot both be set")
    yield from as_number(fact)


def advertised(fact: ObjectFact) -> Iterator[Refusal]:
    """The networks of services that are announced, each a network or an address (validator.go, ``validateIPNetwork``)."""
    for key in ADVERTISED:
        given = spec_of(fact).get(key)
        for index, item in enumerate(given if isinstance(given, list) else ()):
            text = item.get("cidr") if isinstance(item, Mapping) else None
            if isinstance(text, str) and text and network_in(text) is None and address_in(text) is None:
                yield Refusal(fact.place("spec", key, index, "cidr"), f"cidr {text!r} of {key} is no network")


def mark_mask(fact: ObjectFact) -> Iterator[Refusal]:
    """The bits of marks that Felix may use."""
    spec = spec_of(fact)
    ebpf = spec.get("bpfEnabled") is True
    for key in MARK_MASKS:
        mask = spec.get(key)
        if isinstance(mask, int) and not isinstance(mask, bool):
            words, certain = unfit_mask(mask, MARKS_OF_EBPF if ebpf else 0)
            if words:
                yield Refusal(fact.place("spec", key), f"{key} {mask:#x} {words}", certain)


def unfit_mask(mask: int, fixed: int) -> tuple[str, bool]:
    """What is wrong with a mask, and whether Felix ends of it. ``fixed``: bits that it must have, which are for other things."""
    if not 0 <= mask < 1 << 32:
        return "is no number of 32 bits", True
    if mask & fixed != fixed:
        return f"lacks bits of {fixed:#x}, which the programs of eBPF use", True
    bits = (mask & ~fixed).bit_count()
    if bits < MARKS_LEAST:
        return f"has {bits} bits {'beside those of eBPF' if fixed else 'set'}, and Felix needs {MARKS_LEAST}", True
    return ("" if fixed or bits >= MARKS_WANTED else f"has {bits} bits set, and should have {MARKS_WANTED}"), False


def selector_of(fact: ObjectFact, key: str) -> Refusal | None:
    """A selector that Calico cannot read (``validateSelector``)."""
    text = spec_of(fact).get(key)
    if not isinstance(text, str) or not text.strip():
        return None
    try:
        read_selector(text)
    except ValueError as problem:
        return Refusal(fact.place("spec", key), f"{key} {text!r} is no selector: {problem}")
    return None


def reservations(network: Network) -> Iterator[tuple[Span, str, Prefix | None]]:
    """The networks and addresses that IPReservations keep from pods that name none themselves (libcalico-go lib/ipam/ipam.go, AutoAssign): each with its
    place and text; None where it is neither."""
    for fact in objects(network, "IPReservation", GROUP):
        given = spec_of(fact).get("reservedCIDRs")
        for index, text in enumerate(given if isinstance(given, list) else ()):
            single = address_in(text)
            found = read_prefix(str(single)) if single is not None else network_in(text)
            yield fact.place("spec", "reservedCIDRs", index), str(text), found


def reserved(network: Network, family: int) -> Ranges:
    """What IPReservations keep back of a family."""
    kept = (found for _, _, found in reservations(network) if found is not None and found.family == family)
    return normalised((found.value, found.last) for found in kept)


def as_number(fact: ObjectFact) -> Iterator[Refusal]:
    """An AS number is one number, or two halves with a dot between (RFC 5396)."""
    value = spec_of(fact).get("asNumber")
    if value is None:
        return
    if number_of_as(value) is None:
        yield Refusal(fact.place("spec", "asNumber"), f"asNumber {value!r} is no AS number")


def number_of_as(value: object) -> int | None:
    """An AS number; None where the value is none."""
    text = str(value)
    high, dot, low = text.partition(".")
    if dot and high.isdecimal() and low.isdecimal() and int(high) < 65536 and int(low) < 65536:
        return int(high) << 16 | int(low)
    return int(text) if text.isdecimal() and len(text) <= 10 and int(text) <= ASN_MOST else None
