"""A process that cannot go on says why, tells everybody, and ends with a status of its own."""

import gc
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from actors.instance.actor import InstanceActor
from cli.serve.command import serve
from cli.settings.settings import Settings


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """Leave this process as it was."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_an_actor_that_fails_again_and_again_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, log_records: list[dict[str, Any]]
) -> None:
    def broken(_self: Any, _alive: Any) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(InstanceActor, "_on_alive", broken)
    status = serve(Settings.load({"port": "0", "drain_seconds": "1"}, None))
    assert status == 1
    lines = [record for record in log_records if record["level"].name == "CRITICAL"]
    assert [record["message"] for record in lines] == ["supervisor gives up", "giving up"]
    assert lines[-1]["extra"]["actor"] == "InstanceActor"
    failures = [one for one in log_records if one["message"] == "actor failed"]
    assert len(failures) == 6, "five successors were tried"
