"""Who may import whom, and how long a file and a function may be.

The tables are the architecture: a line here is a decision, so a failing test means either a wrong
import or a decision to be made on purpose.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("actors", "cli", "gateway", "peers", "protocol", "storage")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

MAY_IMPORT: dict[str, set[str]] = {
    "protocol": {"pydantic", "pydantic_core"},
    "storage": {"protocol", "redis", "hiredis", "fakeredis", "loguru"},
    "actors": {"protocol", "storage", "pykka", "loguru", "annotated_types", "pydantic_core"},
    "gateway": {
        "protocol", "storage", "actors", "websockets", "prometheus_client", "loguru",
        "annotated_types", "pydantic", "pydantic_core",
    },
    "peers": {
        "protocol", "websockets", "loguru", "rich", "pydantic_core", "uvloop",
        "av", "pocketsphinx", "espeakng_loader",
    },
    "cli": {
        "protocol", "storage", "actors", "gateway", "peers", "pydantic", "pydantic_settings",
        "pydantic_core", "annotated_types", "loguru", "rich", "uvloop",
    },
}  # fmt: skip
"""Room → other rooms and libraries it may import, besides itself and the standard library."""

ONLY_IN: dict[str, set[str]] = {
    "pykka": {"actors/runtime.py", "actors/reply.py"},
    "fakeredis": {"storage/server.py"},
    "socket": {"storage/process.py", "storage/private_directory.py", "gateway/", "peers/"},
    "subprocess": {"storage/", "peers/"},
    "threading": {"storage/process.py", "storage/server.py", "storage/leash.py", "peers/"}
    | {"actors/inbox.py"},
}
"""Module → the only files and rooms (ending in a slash) that may import it."""

PURE = {
    "protocol/",
    "actors/admission.py",
    "actors/audience.py",
    "actors/audio_progress.py",
    "actors/catch_up.py",
    "actors/grouping.py",
    "actors/join_attempts.py",
    "actors/messages.py",
    "actors/resumption.py",
    "actors/room_hearing.py",
    "actors/room_messages.py",
    "actors/segmenter.py",
    "actors/sequencer.py",
    "actors/signalling.py",
    "actors/taken_seqs.py",
}
NOT_IN_PURE = {"asyncio", "time", "datetime", "threading", "socket", "subprocess", "os"}


def source_files() -> list[Path]:
    files = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return [*files, ROOT / "run.py"]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_of(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the top-level name of each imported module, at any depth of the file, and its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name.partition(".")[0], node.lineno) for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0], node.lineno
            case ast.ImportFrom(level=level) if level > 0:
                yield path.parent.name, node.lineno
            case _:
                pass


def is_one_of(name: str, places: set[str]) -> bool:
    return any(name == place or (place[-1] == "/" and name.startswith(place)) for place in places)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_the_table_allows(room: str) -> None:
    allowed = MAY_IMPORT[room] | {room} | set(sys.stdlib_module_names)
    wrong = [
        f"{name_of(path)}:{line} imports {module}, which {room}/ may not"
        for path in sorted((ROOT / room).rglob("*.py"))
        for module, line in imports_of(path)
        if module not in allowed
    ]
    assert not wrong, "\n".join(wrong)


def test_some_modules_are_imported_in_one_place_only() -> None:
    wrong = [
        f"{name_of(path)}:{line} imports {module}; only {', '.join(sorted(ONLY_IN[module]))} may"
        for path in source_files()
        for module, line in imports_of(path)
        if module in ONLY_IN and not is_one_of(name_of(path), ONLY_IN[module])
    ]
    assert not wrong, "\n".join(wrong)


def test_pure_modules_know_neither_loop_nor_clock() -> None:
    wrong = [
        f"{name_of(path)}:{line} imports {module}, but it is pure: pass the time as a parameter"
        for path in source_files()
        for module, line in imports_of(path)
        if is_one_of(name_of(path), PURE) and module in NOT_IN_PURE
    ]
    assert not wrong, "\n".join(wrong)


def test_peers_know_nothing_of_the_server_side() -> None:
    assert not MAY_IMPORT["peers"] & {"actors", "storage", "gateway", "cli"}


def test_a_file_has_one_subject() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in source_files()}
    wrong = [
        f"{name_of(path)} has {length} lines, more than {MAX_FILE_LINES}: it has two subjects"
        for path, length in lengths.items()
        if length > MAX_FILE_LINES
    ]
    assert not wrong, "\n".join(wrong)


def test_a_function_fits_on_a_screen() -> None:
    wrong = [
        f"{name_of(path)}:{node.lineno} {node.name} is longer than {MAX_FUNCTION_LINES} lines"
        for path in source_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not wrong, "\n".join(wrong)


def test_every_module_says_what_it_is_for() -> None:
    wrong = [
        f"{name_of(path)} has no docstring that says what it owns"
        for path in source_files()
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not wrong, "\n".join(wrong)
