"""The commands that look at a running scheduler and change what it does."""
