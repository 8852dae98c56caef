"""Facilitation as learning: from a ledger's rows to updated weak agents. Imports no Ray."""
