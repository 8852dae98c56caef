"""Judge–advisor estimation: a quantity, a judge's own estimate, advice, a revised estimate."""
