"""Opaque names for rows: 26 characters, time first, so that sorting by id is sorting by age."""

import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
ID_PATTERN = r"^[0-9a-z]{26}$"


def new_id() -> str:
    """48 bits of milliseconds and 80 random bits in Crockford's base 32, in small letters (the ULID layout)."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
