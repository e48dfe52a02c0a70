"""What the captured state of nodes does with the one packet of an answer about policies."""

from __future__ import annotations

from dataclasses import replace

from analyzer.model.network import Network
from analyzer.policy.terms import Kind
from analyzer.query.ask.answers import PROTOCOLS, Answer, Witness
from analyzer.query.trace import Question, trace

NAMES = {6: "TCP", 17: "UDP", 132: "SCTP", 1: "ICMP", 58: "ICMP"}


def with_state(network: Network, answer: Answer) -> Answer:
    """The answer with a note that says what becomes of its flow in the captured state, where it has one between ends that were captured."""
    witness = answer.witness
    if not network.namespaces or witness is None or len(answer.path) > 1 or witness.imagined:
        return answer
    return replace(answer, notes=(*answer.notes, said(network, witness)))


def said(network: Network, witness: Witness) -> str:
    """What the walk of the packet says."""
    protocol = NAMES.get(witness.flow.protocol)
    if protocol is None or any("[" in end.name for end in (witness.source, witness.destination)):
        return "the state of nodes is not asked about such a flow"
    port = 0 if protocol == "ICMP" else witness.flow.port
    source = "outside" if witness.source.kind is Kind.OUTSIDE else witness.source.name
    try:
        found = trace(network, Question(source, witness.destination.name, protocol, port))
    except ValueError as problem:
        return f"the captured state of nodes cannot say what becomes of this flow: {problem}"
    reason = f": {found.outcomes[0].reason}" if found.outcomes and found.outcomes[0].reason else ""
    shown = PROTOCOLS[witness.flow.protocol] + (f" port {port}" if port else "")
    return f"in the captured state of nodes this packet ({shown}) is {found.fate.value}{reason} (analyze trace shows its way)"
