"""Elo ratings of oversight games, and what they predict over a gap of capability."""
