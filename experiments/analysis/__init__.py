"""What a run showed: statistics, metrics and the summary, as pure functions of its ledger."""
