"""This process among others: its lease, its notes, its links."""
