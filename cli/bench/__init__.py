"""`run.py bench`: measure, and show what was measured."""
