"""The code in documents: found by its language, given another address, run as a reader would."""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted(
    path for folder in (".", "docs", "deploy", "peers") for path in (ROOT / folder).glob("*.md")
)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(document: Path, language: str) -> list[str]:
    """Return the blocks of a language, in their order."""
    found = _BLOCK.findall(document.read_text(encoding="utf-8"))
    return [text for name, text in found if name == language]


def block(document: str, language: str, part: str, port: int | None = None) -> str:
    """Return the one block with this in it, its scheduler's port replaced."""
    [text] = [text for text in blocks(ROOT / document, language) if part in text]
    return text if port is None else text.replace("127.0.0.1:5010", f"127.0.0.1:{port}")


def lines_of_code(text: str) -> int:
    """Return how many lines hold something."""
    return sum(bool(line.strip()) for line in text.splitlines())


@contextmanager
def running(command: Sequence[str | Path], folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run a program while the context is open, with this project importable as if installed."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NODE_PATH": "/usr/share/nodejs"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
