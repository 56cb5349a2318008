"""Connections between instances (`/ws/peer`)."""
