"""Protocols: who speaks when, to whom, seeing what."""
