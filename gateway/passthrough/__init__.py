"""A client's socket is passed through to the instance that has its session."""
