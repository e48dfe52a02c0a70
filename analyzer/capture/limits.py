"""What the input may cost: beyond these, a part of it is refused and named in a gap.

A node with 10,000 services writes about 31 MB of iptables-save; sysctl, conntrack and the rest stay below that.
"""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1 << 20
FILE_BYTES = 512 * MEBIBYTE
TOTAL_BYTES = 4096 * MEBIBYTE
MEMBERS = 1_000_000
DEPTH = 40
NESTED_ARCHIVES = 3
RATIO = 250
RATIO_FREE_BYTES = 64 * MEBIBYTE
SECTIONS = 2_000


class Refused(ValueError):
    """A limit that the input exceeds, in words."""


@dataclass(slots=True)
class Budget:
    """What is still left for one call of ``load``: bytes of content and number of files."""

    bytes: int = TOTAL_BYTES
    members: int = MEMBERS

    def take(self, size: int) -> None:
        """Counts content; Refused when the input as a whole is too large."""
        self.bytes -= size
        if self.bytes < 0:
            raise Refused(f"not read, nor what follows: the input holds more than {TOTAL_BYTES // MEBIBYTE:,} MiB")

    def member(self) -> None:
        """Counts a file or an archive's member."""
        self.members -= 1
        if self.members < 0:
            raise Refused(f"not read, nor what follows: the input holds more than {MEMBERS:,} files")

    def spent(self) -> bool:
        """Whether nothing more is read."""
        return self.bytes < 0 or self.members < 0


def too_large(size: int) -> str:
    """The message for one file beyond ``FILE_BYTES``."""
    return f"not read: {size / MEBIBYTE:,.0f} MiB is more than the {FILE_BYTES // MEBIBYTE} MiB that one file may have"
