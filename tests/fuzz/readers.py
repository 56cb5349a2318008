"""The readers of `targets`, fed for a while with what mutation makes of what they read well.

`python -m tests.fuzz.readers --seconds 60 --seed 7`: the same seed makes the same bytes. With
`--guided` and atheris installed the mutation is libFuzzer's, led by the code that it reaches. A
find is printed with the reader's name and the bytes, and the exit status is not 0.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

SLOW_MS: Final = 50.0
"""Processor time that one message may take: more would be felt by everybody."""
MOST_SHOWN: Final = 4000
_LARGE: Final = 20
"""Each so-and-so-many-th input is a large one."""


def mutated(chance: random.Random, seed: bytes, other: bytes) -> bytes:
    """Return bytes that are nearly right."""
    data = bytearray(seed)
    for _ in range(chance.choice([1, 1, 2, 3, 8])):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice([1, 2, 4, 16, 200]))
        match chance.randrange(7):
            case 0:
                data[at:end] = chance.randbytes(end - at)
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = data[at:end] * chance.choice([1, 2, 40])
            case 3:
                start = chance.randrange(len(other) + 1)
                data[at:end] = other[start : start + chance.choice([1, 8, 100])]
            case 4:
                data[at:end] = chance.choice([b"\xff" * 8, bytes(8), b"[" * 40, b'{"":', b"1e999"])
            case 5 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case _:
                data[at:at] = chance.choice(
                    [b'"', b"\\u", b"\\ud800", b",", b"\x00", b"-", b"\xc3"]
                )
    return bytes(data)


def mutate_for(seconds: float, seed: int) -> int:
    """Feed all readers in turn; return how much they were given.

    Raises:
        AssertionError: a find.
    """
    from tests.fuzz.targets import TARGETS, run  # noqa: PLC0415 - not before atheris has hooked in

    chance, given = random.Random(seed), 0
    corpus = {name: list(target.seeds) for name, target in TARGETS.items()}
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for name, seeds in corpus.items():
            data = mutated(chance, chance.choice(seeds), chance.choice(seeds))
            if given % _LARGE == 0:
                data *= chance.randrange(1, 1 + max(1, (1 << 18) // max(1, len(data))))
            elif len(seeds) < 300 and len(data) < 8000:
                seeds.append(data)
            check(run, name, data)
            given += 1
    return given


def check(run: Callable[[str, bytes], object], name: str, data: bytes) -> None:
    """Give bytes to a reader and look at how long it takes.

    Raises:
        AssertionError: a find.
    """
    try:
        took_ms = _took_ms(run, name, data)
        for _ in range(9):  # garbage may have been collected, or a neighbour had the core's cache
            if took_ms > SLOW_MS:
                time.sleep(0.3)
                took_ms = min(took_ms, _took_ms(run, name, data))
    except Exception as error:
        shown = _shown(data)
        raise AssertionError(f"{name}: {type(error).__name__}: {error}\n{shown!r}") from error
    assert took_ms <= SLOW_MS, f"{name}: took {took_ms:.0f} ms\n{_shown(data)!r}"


def _took_ms(run: Callable[[str, bytes], object], name: str, data: bytes) -> float:
    began = time.thread_time()
    run(name, data)
    return (time.thread_time() - began) * 1000


def _shown(data: bytes) -> bytes:
    return data if len(data) < MOST_SHOWN else data[:MOST_SHOWN] + b"..."


def guide_for(seconds: float, seed: int) -> None:
    """Let libFuzzer lead; it ends the process itself."""
    import atheris  # noqa: PLC0415 - there are machines without it

    with atheris.instrument_imports(include=["gateway", "protocol", "actors"]):
        from tests.fuzz.targets import TARGETS, run  # noqa: PLC0415
    names = list(TARGETS)

    def one(data: bytes) -> None:
        if data:
            run(names[data[0] % len(names)], data[1:])

    corpus = Path(tempfile.mkdtemp(prefix="lingua-fuzz-"))
    for number, name in enumerate(names):
        for count, data in enumerate(TARGETS[name].seeds):
            (corpus / f"{number}-{count}").write_bytes(bytes((number,)) + data)
    flags = [f"-seed={seed or 1}", f"-max_total_time={max(1, int(seconds))}", "-max_len=4096"]
    atheris.Setup([sys.argv[0], *flags, "-print_final_stats=1", "-timeout=10", str(corpus)], one)
    atheris.Fuzz()


def main(argv: Sequence[str]) -> int:
    """Feed the readers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--guided", action="store_true")
    asked = parser.parse_args(argv)
    print(f"seed {asked.seed}", flush=True)  # noqa: T201 - it is what one runs it for
    if asked.guided and find_spec("atheris") is not None:
        guide_for(asked.seconds, asked.seed)
    given = mutate_for(asked.seconds, asked.seed)
    print(f"{given} inputs, no find")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
