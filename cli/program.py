"""What this program is called on the command line, for usages and hints."""

from typing import Final

from peers.child_module import IS_INSTALLED

DISTRIBUTION: Final = "lingua-scheduler"
"""Under which a package index and pip know it."""
PROGRAM: Final = "lingua" if IS_INSTALLED else "python run.py"
