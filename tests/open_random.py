"""Random rules that ask what no capture tells (sockets and their processes, CPUs, bytes), of packets that they concern and of others."""

from __future__ import annotations

from tests.netfilter_random import Rules
from tests.nft_random import NftRules

MOST = 4
"""So many in one ruleset: the language's plain reading takes every way through those that are open."""


class OpenRules(Rules):
    """Rules of iptables, some with such a match."""

    opens = 0

    def match(self, table: str, hook: str, protocol_given: bool) -> str:
        if self.opens < MOST and self.random.random() < 0.2:
            self.opens += 1
            return self.random.choice(self.open_matches(hook, protocol_given))
        return super().match(table, hook, protocol_given)

    def open_matches(self, hook: str, protocol_given: bool) -> list[str]:
        no = self.no()
        found = [f"-m cpu {no}--cpu 1", "-m string --algo bm --string zzqq", "-m time --timestart 01:00:00 --timestop 02:00:00"]
        if hook in ("INPUT", "OUTPUT", "POSTROUTING"):
            found += [f"-m cgroup {no}--cgroup 5"] * 3
        if hook in ("OUTPUT", "POSTROUTING"):
            owners = (
                f"{no}--uid-owner 7",
                f"{no}--gid-owner 7-9",
                f"{no}--socket-exists",
                f"{no}--uid-owner 7 {self.no()}--gid-owner 7",
                f"! --uid-owner 7 {no}--socket-exists",
            )
            found += [f"-m owner {self.some(*owners)}"] * 4
        if not protocol_given:
            found += [f"-p tcp -m tcpmss {no}--mss 1:1400"] * 2
            if hook in ("PREROUTING", "INPUT", "FORWARD") and self.family == 4:
                found.append(f"-p tcp -m osf {no}--genre Linux")
        return found


class OpenNftRules(NftRules):
    """Tables of nft, some of whose rules have such a test."""

    opens = 0

    def match(self, hook: str) -> str:
        if self.opens < MOST and self.random.random() < 0.2:
            self.opens += 1
            return self.random.choice(self.open_tests())
        return super().match(hook)

    def open_tests(self) -> list[str]:
        no = self.no()
        found = [f"meta cpu {no}1", "meta hour 01:00-02:00", f"tcp option maxseg size {no}1-1400"]
        found += [f"meta {self.some('skuid', 'skgid', 'cgroup')} {no}7"] * 4
        return found
