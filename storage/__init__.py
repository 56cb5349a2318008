"""What is true: the Redis store behind scripts, typed repositories, the embedded server."""
