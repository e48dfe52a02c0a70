"""In which ways flows fail a guarantee, as reasons say them."""

from __future__ import annotations

LOST, UNKNOWN, WRONG, REPLY, OPENING, LATER, SEEN_SOURCE, SEEN_DESTINATION = (
    "does not arrive",
    "it is not known whether it arrives",
    "is delivered elsewhere",
    "the reply does not come back",
    "the packet that ends the handshake does not arrive",
    "the answer in the open connection does not come back",
    "the source is translated",
    "the destination is translated",
)
ADMITTED, UNFAMILIAR = "arrives, which no policy admits", "the source is none that the sender is known by"
