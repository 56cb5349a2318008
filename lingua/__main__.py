"""`python -m lingua` and the console script `lingua`."""

import sys

from cli.commands import main


def run() -> int:
    """Run the command that the command line names; return the exit status."""
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(run())
