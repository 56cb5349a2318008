"""Clients and nodes under faults; they log what they say and hear."""
