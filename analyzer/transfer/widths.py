"""How many bits the fields of a packet have."""

from __future__ import annotations

from collections.abc import Mapping

from analyzer.transfer.ir import Field

WIDTHS: Mapping[Field, int] = {
    **dict.fromkeys((Field.PROTOCOL, Field.ICMP_TYPE, Field.ICMP_CODE, Field.TTL, Field.SERVICE), 8),
    **dict.fromkeys((Field.SOURCE_PORT, Field.DESTINATION_PORT, Field.ORIGINAL_DESTINATION_PORT), 16),
    **dict.fromkeys((Field.IN_INTERFACE, Field.OUT_INTERFACE, Field.PHYSICAL_IN, Field.PHYSICAL_OUT), 16),
    **dict.fromkeys((Field.MARK, Field.CONNECTION_MARK), 32),
    **dict.fromkeys((Field.SOURCE_MAC, Field.DESTINATION_MAC), 48),
    Field.TCP_FLAGS: 6,
    Field.LENGTH: 17,
    Field.STATE: 3,
    Field.STATUS: 6,
    Field.DIRECTION: 1,
    Field.VLAN: 12,
}


def width(field: Field, family: int) -> int:
    """The field's width in bits; addresses have the family's."""
    return WIDTHS.get(field, 32 if family == 4 else 128)
