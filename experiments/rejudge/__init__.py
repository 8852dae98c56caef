"""Rejudging: another judge on what was said before."""
