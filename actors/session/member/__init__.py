"""A session's part in a room."""
