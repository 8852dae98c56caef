"""What all four packages share: errors, the registry, keyed randomness and columns."""
