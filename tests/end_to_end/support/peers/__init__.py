"""Clients and nodes as programs in the field behave."""
