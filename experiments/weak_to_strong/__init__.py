"""Weak-to-strong generalization as an experiment: supervisors, labels, students, one arm each."""
