"""Run directories: one execution of a scenario, durable tick by tick."""
