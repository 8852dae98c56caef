"""Numeric policies: exact Bayesian, expert, scripted. Each answers any number of rows at once."""
