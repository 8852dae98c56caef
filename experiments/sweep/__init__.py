"""Sweeps: one scenario over a grid of settings."""
