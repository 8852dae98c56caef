"""Typed configuration: schema, loading, validation."""
