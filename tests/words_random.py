"""Random rules that look at bits by their place in headers (``u32`` of iptables, raw payloads of nft), and at policies of IPsec."""

from __future__ import annotations

from ipaddress import ip_address

from tests.netfilter_random import Rules
from tests.nft_random import NftRules

PLACES = {4: (96, 128, 64, 72), 6: (64, 192, 56, 48)}
"""First bits of source, destination, TTL and protocol."""


class WordRules(Rules):
    """Rules of iptables, some with ``u32``."""

    def match(self, table: str, hook: str, protocol_given: bool) -> str:
        if self.random.random() < 0.4:
            return f"-m u32 {self.no()}--u32 {self.word()}"
        if self.random.random() < 0.15:
            way = "in" if hook in ("PREROUTING", "INPUT", "FORWARD") else "out"
            return f"-m policy --dir {way} --pol {self.some('none', 'none', 'ipsec', 'ipsec --proto esp')}"
        return super().match(table, hook, protocol_given)

    def word(self) -> str:
        """One to three tests."""
        return '"' + "&&".join(self.several()) + '"'

    def several(self) -> list[str]:
        return [self.test() for _ in range(self.random.choice((1, 1, 2, 3)))]

    def test(self) -> str:
        source, destination, ttl, protocol = (bit // 8 for bit in PLACES[self.family])
        value = int.from_bytes(ip_address(self.host()).packed[-4:], "big")
        last = 0 if self.family == 4 else 12
        number = self.some("6", "17", "6:17", "1,58")
        tests = [
            f"{self.random.choice((source, destination)) + last}={value:#x}",
            f"{self.random.choice((source, destination)) + last}&0xff={value & 0xFF},{(value & 0xFF) + 1}:{(value & 0xFF) + 9}",
            f"{self.random.choice((source, destination)) + last}>>8={value >> 8:#x}",
            f"{self.random.choice((source, destination)) + last}<<24={value << 24 & 0xFFFFFFFF:#x}",
            f"{protocol - 3}&0xFF={number}",
            f"{ttl}>>24={self.some('64', '0:63', '63')}",
        ]
        if self.family == 4:
            port = self.some("80", "53", "80:443", "0:1023,8080")
            tests += [f"4&0x1FFF=0&&6&0xFF={self.some('6', '17')}&&0>>22&0x3C@0&0xFFFF={port}", f"0>>22&0x3C@0>>16={self.some('0:2047', '2048', '1024:65535')}", f"6&0xFF=6&&0>>22&0x3C@12>>16&0x12={self.some('2', '0x12', '0x10')}"]  # fmt: skip
        return self.random.choice(tests)


class RawRules(NftRules):
    """Tables of nft, some of whose rules have raw payloads."""

    def match(self, hook: str) -> str:
        if hook in ("prerouting", "input", "forward") and self.random.random() < 0.1:
            return f"meta ipsec {self.some('exists', 'missing')}"
        return self.raw(hook) if self.random.random() < 0.4 else super().match(hook)

    def raw(self, hook: str) -> str:
        source, destination, ttl, protocol = PLACES[self.family]
        first = self.random.choice((source, destination))
        value, wide = ip_address(self.host()).packed, 32 if self.family == 4 else 128
        last = int.from_bytes(value[-2:], "big")
        own = f"{self.ip} version {self.family}"
        tests = [
            f"{own} @nh,{first + wide - 16},16 {self.no()}{last:#x}",
            f"{own} @nh,{first + wide - 12},10 {self.no()}{last >> 2 & 0x3FF:#x}",
            f"{own} @nh,{first + wide - 8},8 & 0x3 == {value[-1] & 3}",
            f"{own} @nh,{first + wide - 8},8 {{ {value[-1]}, {value[-1] ^ 1} }}",
            f"{own} @nh,{ttl},8 {self.some('< 64', '64', '>= 63')}",
            f"{own} @nh,{protocol},8 {{ 6, 58 }}",
            f"{own} @nh,{min(ttl, protocol)},16 & 0xff {self.some('!= 6', '== 17')}",
            f"@th,0,32 & 0xffff {self.some('== 80', '== 53', '!= 80')}",
            f"@th,16,16 & 0xff {self.some('== 80', '== 53', '!= 80')}",
            f"@th,0,8 {self.some('8', '128', '< 0x40')}",
            f"meta l4proto tcp @th,104,8 & 0x12 {self.some('== 2', '== 0x12', '!= 2')}",
        ]
        if hook in ("prerouting", "input", "forward"):
            tests.append(f"@ll,96,16 {self.some('0x800', '0x86dd', '!= 0x800')}")
        return self.random.choice(tests)
