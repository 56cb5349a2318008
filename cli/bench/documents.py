"""Where figures of a bench are kept: a baseline to compare with, the table of `docs/measured.md`.

Owns both files. It measures nothing.
"""

import json
from pathlib import Path
from typing import Final

from cli.settings.error import SettingsError
from peers.bench.key_figures import Samples, losses, markdown_table

BEGIN: Final = "<!-- figures: made by `lingua bench --write-docs` -->"
END: Final = "<!-- end of figures -->"


def compare_with_baseline(path: Path, samples: Samples) -> list[str]:
    """Return what has got worse since; where there is no baseline yet these samples become it.

    Raises:
        SettingsError: the file holds something else.
    """
    if not path.exists():
        path.write_text(json.dumps(samples.as_json(), indent=2) + "\n", encoding="utf-8")
        return []
    return losses(samples, read_baseline(path))


def read_baseline(path: Path) -> Samples:
    """Return the baseline.

    Raises:
        SettingsError: the file cannot be read or holds something else.
    """
    try:
        return Samples.from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsError(f"--baseline: {str(path)!r}: {error.strerror}") from None
    except ValueError:
        raise SettingsError(f"--baseline: {str(path)!r} holds no figures of a bench") from None


def write_into_document(path: Path, samples: Samples) -> None:
    """Put the table between the two marks.

    Raises:
        SettingsError: the marks are not there.
    """
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SettingsError(f"{path.name} lacks the marks between which figures stand")
    table = markdown_table(samples)
    path.write_text(f"{before}{begin}\n\n{table}\n\n{end}{after}", encoding="utf-8")
