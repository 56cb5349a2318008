"""Real processes: schedulers, stores, nodes."""
