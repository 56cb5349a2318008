"""Connections to Redis: one server, Sentinel, Cluster."""
