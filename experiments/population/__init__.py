"""Populations: very many persistent agents that meet in teams, on any number of shards."""
