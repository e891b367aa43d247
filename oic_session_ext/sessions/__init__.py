"""OP sessions and their RP sessions: begin, use, join, end, sweep, administer, and select the RPs to notify."""
