"""What is done about each turn in the life of a session, in whatever phase it is."""
