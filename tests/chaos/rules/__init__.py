"""What must hold, judged from the log alone."""
