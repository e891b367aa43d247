"""OP sessions and their RP sessions: begin, use, join, end, sweep, administer; and which RPs a logout must notify."""
