"""Information-asymmetric question answering: a passage that only the experts have read."""
