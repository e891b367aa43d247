"""Names for what is kept in large numbers: random, and in the order of their making, as databases like it best."""

from __future__ import annotations

import secrets

RECORD_ID_LENGTH = 32


def new_record_id(now: int) -> str:
    """Return a fresh id: the second in which it is made and 96 random bits, all in hexadecimal digits.

    New ids stand side by side in an index, so that one of a million costs what one of a thousand does: its page is in memory. It is
    the name of a record and no secret, but it cannot be guessed. It never begins with a dash: operators type it on a command line.
    """
    return f"{now & 0xFFFFFFFF:08x}{secrets.token_hex(12)}"
