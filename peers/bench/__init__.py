"""Simulated load, and what is measured under it."""
