"""What kube-router ends of in lists that its flags give: networks, node ports, and peers with what belongs to each.

Follows cloudnativelabs/kube-router pkg/controllers/netpol/network_policy_controller.go (``NewNetworkPolicyController``, ``validateNodePortRange``) and
pkg/controllers/routing/bgp_peers.go (``newGlobalPeers``). A list may be given in several flags: such ones are left out.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator

from analyzer.facts.kubernetes import Located
from analyzer.model.systems.programs import Program
from analyzer.query.cni.fields import is_network
from analyzer.query.refusals import Refusal, network_in
from analyzer.query.validation.values import PLACEHOLDER

SERVICES, NODE_PORTS = "--service-cluster-ip-range", "--service-node-port-range"
NETWORKS = (SERVICES, "--service-external-ip-range", "--loadbalancer-ip-range")
PEERS, NUMBERS, PORTS, PASSWORDS = (f"--peer-router-{name}" for name in ("ips", "asns", "ports", "passwords"))
PORT_RANGE = re.compile(r"([0-9]+)[:-]([0-9]+)", re.ASCII)
RESERVED = ((0, 0), (23456, 23456), (64000, 64511), (65536, 131071), (4294967295, 4294967295))
"""AS numbers that are nobody's: newer versions refuse 65535 too, older ones all that are not private."""


def refusals(program: Program) -> Iterator[Refusal]:
    """What is refused in the flags of one container: of the parts that it is told to run, each of which it does by default."""
    if not off(program, "--run-firewall"):
        for flag in NETWORKS:
            yield from networks(program, flag)
        yield from node_ports(program)
    if not off(program, "--run-router"):
        yield from peers(program)


def off(program: Program, flag: str) -> bool:
    """Whether a part may not run."""
    found = program.flags.get(flag)
    return found is not None and found.value != "true"


def known(program: Program, flag: str) -> Located | None:
    """The value of a flag that is given once; None where it is not given, or still to be filled in."""
    found = program.flags.get(flag)
    return None if found is None or flag in program.repeated or PLACEHOLDER.search(found.value) else found


def networks(program: Program, flag: str) -> Iterator[Refusal]:
    """Networks with commas between; of services' at most two, which newer versions want to be one of each family."""
    located = known(program, flag)
    if located is None or not located.value:
        return
    parts = [part.strip() for part in located.value.split(",")]
    wrong = next((part for part in parts if not is_network(part)), None)
    if wrong is not None:
        yield Refusal(located.at, f"{flag}: {wrong!r} is no network")
    elif flag == SERVICES and len(parts) > 2:
        yield Refusal(located.at, f"{flag} has {len(parts)} networks, and may have one, or one of each family")
    elif flag == SERVICES and len(parts) > len({item.family for part in parts if (item := network_in(part)) is not None}):
        yield Refusal(located.at, f"{flag} has two networks of one family: version 2 takes one of each", certain=False)


def node_ports(program: Program) -> Iterator[Refusal]:
    """The range of node ports, ``30000-32767`` or ``30000:32767``."""
    located = known(program, NODE_PORTS)
    if located is None or not located.value:
        return
    found = PORT_RANGE.fullmatch(located.value)
    first, last = (int(found[1][:9]), int(found[2][:9])) if found is not None else (0, 0)
    if found is None or last > 65535:
        yield Refusal(located.at, f"{NODE_PORTS} {located.value!r} is no range of ports such as 30000-32767")
    elif first >= last:
        yield Refusal(located.at, f"{NODE_PORTS} {located.value} does not end behind its first port")


def peers(program: Program) -> Iterator[Refusal]:
    """The AS numbers, ports and passwords of peers: as many as there are peers."""
    for flag in (NUMBERS, PORTS):
        located = known(program, flag)
        for part in located.value.split(",") if located is not None and located.value else ():
            if not (part.strip().isascii() and part.strip().isdecimal()):
                yield Refusal(located.at, f"{flag}: {part.strip()!r} is no number")  # type: ignore[union-attr]
            elif flag == NUMBERS and reserved(int(part.strip()[:11])):
                yield Refusal(located.at, f"{flag}: {part.strip()} is no AS number that a peer can have")  # type: ignore[union-attr]
    yield from counts(program)
    yield from passwords(program)


def reserved(number: int) -> bool:
    """Whether nobody can have an AS number."""
    return number > RESERVED[-1][0] or any(low <= number <= high for low, high in RESERVED)


def counts(program: Program) -> Iterator[Refusal]:
    """Whether each peer has its own."""
    told = {flag: program.flags.get(flag) for flag in (PEERS, NUMBERS, PORTS, PASSWORDS)}
    lengths = {flag: len(found.value.split(",")) if found is not None and found.value else 0 for flag, found in told.items()}
    for flag in (NUMBERS, PORTS, PASSWORDS):
        located = told[flag] or told[PEERS]
        if located is None or any(told[one] is not None and known(program, one) is None for one in (PEERS, flag)):
            continue
        if lengths[flag] != lengths[PEERS] and (flag == NUMBERS or lengths[flag]):
            yield Refusal(
                located.at, f"{flag} and {PEERS} have {lengths[flag]} and {lengths[PEERS]} entries: each peer has its own"
            )


def passwords(program: Program) -> Iterator[Refusal]:
    """Passwords are written in base64; they are not repeated here."""
    located = known(program, PASSWORDS)
    for number, part in enumerate(located.value.split(",") if located is not None else (), 1):
        try:
            b64decode(part, validate=True)
        except ValueError:
            yield Refusal(located.at, f"{PASSWORDS}: entry {number} is not written in base64")  # type: ignore[union-attr]
