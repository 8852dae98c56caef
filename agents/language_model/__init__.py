"""Language models as cohorts: scoring options by log-probability, speaking by keyed sampling."""
