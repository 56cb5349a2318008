"""What the store keeps of a session, so that another instance can go on with it."""
