"""Schedulers, stores and nodes in processes of their own."""
