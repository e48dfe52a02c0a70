"""Random chains of devices beside random tables at the hooks of IP, which the kernel loads."""

from __future__ import annotations

from tests.nft_random import NftRules

NEIGHBOURS = {4: "meta protocol arp accept", 6: "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"}


class EarlyRules(NftRules):
    """A generator of tables with chains at ingress and egress, which let questions for neighbours pass."""

    def ruleset(self) -> str:
        """Tables as others, and one or two of devices."""
        names = (self.some("netdev", "netdev", "inet") for _ in range(self.random.randint(1, 2)))
        early = "\n".join(self.of_devices(family, f"e{number}") for number, family in enumerate(names))
        return f"{super().ruleset()}\n{early}" if self.random.random() < 0.7 else early

    def of_devices(self, family: str, name: str) -> str:
        """A table with chains of devices, and two below each."""
        chains = [self.early(f"c{number}", family) for number in range(self.random.randint(1, 2))]
        return f"table {family} {name} {{\n{self.sets()}\n{''.join(chains)}}}\n"

    def early(self, name: str, family: str) -> str:
        """A base chain."""
        hook = "ingress" if family == "inet" else self.some("ingress", "ingress", "egress")
        devices = self.some("device near", "device far", "devices = { near, far }")
        policy = "drop" if self.random.random() < 0.1 else "accept"
        head = f"type filter hook {hook} {devices} priority {self.some('-500', '0', '0', '10')}; policy {policy}; {NEIGHBOURS[self.family]}"
        own = self.some("", f"{self.ip} saddr {self.host()} accept")
        below = [f"{name}-x", f"{name}-y"]
        bodies = (
            (below[1], self.rules([])),
            (below[0], self.rules(below[1:])),
            (name, f"{head}\n\t\t{own}\n{self.rules(below)}"),
        )
        return "".join(f"\tchain {chain} {{\n\t\t{body}\t}}\n" for chain, body in bodies)

    def rules(self, below: list[str]) -> str:
        """Some rules."""
        return "".join(f"\t\t{self.rule('early', 'early', below)}\n" for _ in range(self.random.randint(1, 3)))

    def match(self, hook: str) -> str:
        """What is the same for a device as at the hooks of IP."""
        if hook != "early":
            return super().match(hook)
        while True:
            found = self.random.choice(
                (self.address, self.address, self.transport, self.transport, self.marked, self.lookup, self.other)
            )()
            if not found.startswith(("ct ", "fib ", "meta length", "meta pkttype")):
                return found

    def rule(self, kind: str, hook: str, below: list[str]) -> str:
        """A rule without connections."""
        while True:
            found = super().rule(kind, hook, below)
            if hook != "early" or not any(word in found for word in ("ct mark", "ct state", "iifname")):
                return found

    def target(self, kind: str, hook: str, below: list[str]) -> str:
        """Verdicts alone."""
        if hook != "early":
            return super().target(kind, hook, below)
        jumps = [f"{self.some('jump', 'goto')} {self.random.choice(below)}", self.vmap(below)] if below else []
        return self.random.choice(["accept", "return", "counter", "continue", "drop", *jumps])
