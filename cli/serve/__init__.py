"""`run.py serve`: the scheduler as a process, put together and taken apart."""
