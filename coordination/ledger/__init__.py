"""The ledger: durable, canonical, verifiable."""
