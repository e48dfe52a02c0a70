"""What only the interpreter says: no message to the reader may have it."""

from __future__ import annotations

import re

RAW = re.compile(
    r"invalid literal|could not convert|values to unpack|out of range|has no attribute|subscriptable|indices must be|not iterable"
    r"|unhashable|operand|not supported between|argument (must|of)|NoneType|Expecting|Extra data|Unterminated|Invalid control"
    r"|recursion|codec|substring not|fromhex|isoformat|not in list|base \d+:|\(char \d+\)|set_int_max|instances? of '"
)
