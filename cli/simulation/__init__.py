"""The scheduling decisions of a large system, replayed: see `cli/simulate.py`."""
