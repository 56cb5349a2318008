"""Decides which script runs for whom, and tells the others what came of it."""
