"""Simulated people, composed of small stages with published equations."""
