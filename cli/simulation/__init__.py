"""The scheduling decisions of a large system, replayed: see `cli/simulation/command.py`."""
