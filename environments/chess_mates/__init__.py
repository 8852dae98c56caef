"""Forced mates, proved by search, with a UCI engine of the user's as strong agent."""
