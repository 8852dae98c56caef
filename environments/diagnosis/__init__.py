"""Split-evidence diagnosis over a discrete Bayes net: who discloses which finding."""
