"""What a session asks for, what follows from it for each of its jobs, and who may come back."""
