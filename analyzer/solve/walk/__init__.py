"""The concrete walk: one packet through the network's own records, as Linux would take it. It never reads the language of packet behaviour."""
