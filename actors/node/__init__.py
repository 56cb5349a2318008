"""One connected node: its socket, its jobs."""
