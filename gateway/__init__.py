"""Sockets and HTTP: accept, authenticate, parse, tell. Decides nothing."""
