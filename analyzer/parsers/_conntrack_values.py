"""What the forms of the table of connections have in common: tuples, numbers and states (libnetfilter_conntrack's snprintf_default.c and snprintf_xml.c)."""

from __future__ import annotations

from analyzer.addresses import Address, address

Tuple = tuple[Address, Address, int, int]
WITH_PORTS, WITH_TYPES = frozenset({6, 17, 132, 33, 136}), frozenset({1, 58})
TCP_STATES = frozenset({
    "NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2", "LISTEN",
})  # fmt: skip
"""As the kernel and the tool write them; what had been LISTEN is SYN_SENT2 since Linux 2.6.31."""


def bounded(name: str, text: str, bits: int) -> int:
    """A number of so many bits."""
    value = int(text, 0)
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{name}={text} is no number of {bits} bits")
    return value


def state_of(protocol: int, words: list[str]) -> str:
    """The state of the protocols that have one."""
    state = next((word for word in words if word.isupper() and "=" not in word and not word.startswith("[")), "")
    if protocol == 6 and state and state not in TCP_STATES:
        raise ValueError(f"{state} is no state of TCP")
    return "SYN_SENT2" if state == "LISTEN" else state


def one(protocol: int, values: dict[str, str]) -> Tuple:
    """One tuple; ICMP has type and id in the places of the ports. KeyError where it is not whole."""
    names = ("sport", "dport") if protocol in WITH_PORTS else ("type", "id") if protocol in WITH_TYPES else ()
    first, second = (bounded(name, values[name], 16) for name in names) if names else (0, 0)
    return address(values["src"]), address(values["dst"]), first, second
