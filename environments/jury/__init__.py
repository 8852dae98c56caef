"""Juries: private signals of one bit, and rules that turn votes into a decision."""
