"""The shape of a message: its words without the names, addresses and numbers of one cluster, so that one cause is known again in another cluster."""

from __future__ import annotations

import re

from analyzer.model.network import Network

MAC = re.compile(r"\b[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}\b")
IPV4 = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(/\d{1,2})?\b")
IPV6 = re.compile(r"(?<![\w:])(?=[0-9a-fA-F:]*:[0-9a-fA-F:]*:)[0-9a-fA-F:]{3,39}(/\d{1,3})?(?![\w:])")
CHAIN = re.compile(r"\bKUBE-(SVC|SEP|EXT|FW|XLB|SVL|POD-FW)-[A-Z2-7]{16}\b")
WORD = re.compile(r"[A-Za-z0-9_][\w./@-]*[\w@]|\w")
NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
KEPT = frozenset({"IPv4", "IPv6", "l4proto"})


def names_of(network: Network) -> dict[str, str]:
    """What the cluster's own names stand for."""
    cluster = network.cluster
    found = {space: "NAMESPACE" for kind in (cluster.pods, cluster.services) for space, _ in kind}
    for kind, word in ((cluster.services, "SERVICE"), (cluster.pods, "POD")):
        found |= {name: word for _, name in kind} | {f"{space}/{name}": word for space, name in kind}
    found |= {scope.namespace: "NAMESPACE" for scope in network.namespaces if scope.namespace}
    nodes = {*cluster.nodes, *(scope.node for scope in network.namespaces)}
    return found | {name: "NODE" for name in nodes if name}


def shape(message: str, names: dict[str, str]) -> str:
    """The message with what is the cluster's own replaced by what it stands for."""
    text = MAC.sub("MAC", message)
    text = IPV4.sub(lambda found: "NETWORK" if found[1] else "ADDRESS", text)
    text = IPV6.sub(lambda found: "NETWORK" if found[1] else "ADDRESS", text)
    text = CHAIN.sub(r"KUBE-\1-…", text)
    return " ".join(WORD.sub(lambda found: word(found[0], names), text).split())


def word(text: str, names: dict[str, str]) -> str:
    """A word: a name by what it names, a number as N, the beginning of what has numbers in it; any other word as it is."""
    if (named := names.get(text)) is not None:
        return named
    if text in KEPT or not any(letter.isdigit() for letter in text):
        return "/".join(names.get(part, part) for part in text.split("/")) if "/" in text else text
    if NUMBER.fullmatch(text):
        return "N"
    if "/" in text:
        return "/".join(word(part, names) for part in text.split("/"))
    before = re.split(r"\d", text, maxsplit=1)[0]
    return (before[: before.rfind("-") + 1] or before) + "…"
