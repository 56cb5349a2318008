"""`make fuzz MINUTES=10 SEED=n`: readers led by coverage, readers with long inputs, a whole server.

Each has a third of the time. The seed is printed first and makes the same bytes again, though not
the same timing.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from peers.child_module import module_command, module_environment
from tests.fuzz.readers import mutate_for
from tests.fuzz.sockets import fuzz_server


def main(argv: Sequence[str]) -> int:
    """Fuzz for some minutes; 0: no find."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1 << 31))
    asked = parser.parse_args(argv)
    seconds = asked.minutes * 60 / 3
    print(f"seed {asked.seed}", flush=True)  # noqa: T201 - it is what one runs it for
    guided = guide(seconds, asked.seed)
    if guided.returncode:
        print(guided.stdout[-8000:])  # noqa: T201
        return 1
    print(f"{mutate_for(seconds, asked.seed)} inputs for readers", flush=True)  # noqa: T201
    print(fuzz_server(seconds, asked.seed))  # noqa: T201
    return 0


def guide(seconds: float, seed: int) -> "subprocess.CompletedProcess[str]":
    """Feed the readers in a process of their own, led by coverage where atheris is installed."""
    flags = "--seconds", str(seconds), "--seed", str(seed), "--guided"
    with tempfile.TemporaryDirectory(prefix="lingua-fuzz-") as folder:  # for what libFuzzer writes
        return subprocess.run(
            module_command("tests.fuzz.readers", *flags),
            env=module_environment(),
            cwd=folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
