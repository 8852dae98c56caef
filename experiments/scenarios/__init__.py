"""Scenarios that ship with the framework, one YAML file each."""
