"""Connections to other instances: messages between processes."""
