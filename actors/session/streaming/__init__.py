"""What is being spoken goes to a node while it is, where one streams."""
