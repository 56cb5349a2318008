"""No actor blocks the loop or sleeps on it: what pykka and Python offer for that is not called."""

import ast
from pathlib import Path

import pytest

ACTORS = Path(__file__).parents[3] / "actors"
SLEEPERS = {"time", "asyncio"}
OWN = {"self", "self._actor"}
"""An actor that stops itself, or is stopped by one of its parts, only asks itself to."""
RUNNERS = {"run_until_complete", "run_forever"}


def blocking_calls(source: str) -> list[str]:
    """Return what in this source would block or sleep, as `line: reason`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module in SLEEPERS:
            reason = "imports sleep" if any(name.name == "sleep" for name in node.names) else None
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            reason = _reason(node, node.func)
        else:
            continue
        if reason:
            found.append(f"{node.lineno}: {reason}")
    return found


def _reason(call: ast.Call, function: ast.Attribute) -> str | None:
    owner = ast.unparse(function.value)
    match function.attr:
        case "ask" | "stop_all" if not _says_not_to_block(call):
            return f"{function.attr} blocks"
        case "stop" if owner not in OWN and not _says_not_to_block(call):
            return "stop blocks"
        case "proxy":
            return "a proxy blocks"
        case "sleep" if owner in SLEEPERS:
            return f"{owner}.sleep"
        case name if name in RUNNERS:
            return f"{name} blocks"
    return None


def _says_not_to_block(call: ast.Call) -> bool:
    return any(
        keyword.arg == "block"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is False
        for keyword in call.keywords
    )


@pytest.mark.parametrize("path", sorted(ACTORS.rglob("*.py")), ids=lambda path: path.name)
def test_nothing_in_the_actors_room_blocks_or_sleeps(path: Path) -> None:
    assert blocking_calls(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "ref.ask(message)",
        "ref.ask(message, block=True)",
        "self.directory.dispatcher.ask(message, timeout=1)",
        "ref.stop()",
        "ActorRegistry.stop_all()",
        "ref.proxy()",
        "time.sleep(1)",
        "async def f(): await asyncio.sleep(0)",
        "from time import sleep",
        "loop.run_until_complete(main())",
    ],
)
def test_each_way_to_block_is_recognised(line: str) -> None:
    assert len(blocking_calls(line)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "ref.ask(message, block=False)",
        "ref.stop(block=False)",
        "self.stop()",
        "self._actor.stop()",
        "ref.tell(message)",
    ],
)
def test_calls_that_do_not_block_are_allowed(line: str) -> None:
    assert blocking_calls(line) == []
