"""Telling the RPs that their session has ended: who, over which channel."""
