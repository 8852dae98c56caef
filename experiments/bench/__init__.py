"""Benchmarks: each module has a ``run`` that returns its measurements as a dictionary."""
