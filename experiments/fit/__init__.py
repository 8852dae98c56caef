"""Fitting human models to recorded decisions: estimates with intervals."""
