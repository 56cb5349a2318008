"""Any sequence of operations with streams among them keeps the invariants, on a real server."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from storage.store import open_executor
from tests.storage.support.stream_driver import StreamDriver
from tests.storage.support.tenant_oracle import LIMITS
from tests.storage.test_store_machine import NUMBER, StoreMachine
from tests.support.storage_world import World


class StreamMachine(StoreMachine):
    """The driver's operations as rules."""

    def __init__(self) -> None:
        super().__init__()
        self.world.close()
        self.world = World.on_empty_store(open_executor(self.url), LIMITS)
        self.streams = self.driver = StreamDriver(self.world)

    @rule(session=NUMBER, pair=NUMBER)
    def open_stream(self, **picked: Any) -> None:
        self.streams.open_stream(**picked)

    @rule(session=NUMBER, pair=NUMBER)
    def open_another(self, **picked: Any) -> None:
        self.streams.open_stream(**picked)

    @rule(pick=NUMBER, cut=st.booleans())
    def end_stream(self, **picked: Any) -> None:
        self.streams.end_stream(**picked)


@pytest.mark.timeout(240)
def test_streams_take_nothing_from_who_waits_whatever_happens(
    real_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StoreMachine, "url", real_url, raising=False)
    run_state_machine_as_test(
        StreamMachine,
        settings=settings(max_examples=100, stateful_step_count=40, deadline=None),
    )
