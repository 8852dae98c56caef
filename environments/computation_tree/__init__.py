"""Computation trees: decomposable claims about sums and gates over hidden leaves."""
