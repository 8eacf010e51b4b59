"""The fault run: what was sent, what was done to it, and what became of every message."""
