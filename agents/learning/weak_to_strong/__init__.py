"""Weak-to-strong generalization (Burns et al. 2023, arXiv 2312.09390): losses, labels, training."""
