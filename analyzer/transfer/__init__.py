"""The language of packet behaviour and what lowers into it."""
