"""Connections to other instances: what is told across processes."""
