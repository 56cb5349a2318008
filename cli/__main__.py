"""`python -m cli`: the same as `python run.py`; how a command starts another one."""

import sys

from cli.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
