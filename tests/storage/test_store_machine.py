"""Any sequence of operations keeps the invariants, on a real server."""

from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from storage.store import open_executor
from tests.storage.support.store_driver import StoreDriver
from tests.storage.support.tenant_oracle import LIMITS
from tests.support.storage_world import World

NUMBER = st.integers(0, 11)
SLOTS = st.integers(1, 3)


class StoreMachine(RuleBasedStateMachine):
    """The driver's operations as rules."""

    url: ClassVar[str]
    """Of a real server."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World.on_empty_store(open_executor(self.url), LIMITS)
        self.driver = StoreDriver(self.world)

    def teardown(self) -> None:
        self.world.close()

    @initialize(kind=NUMBER, slots=SLOTS)
    def one_node(self, kind: int, slots: int) -> None:
        self.driver.register(0, kind, slots)

    @rule(number=NUMBER, kind=NUMBER, slots=SLOTS)
    def register(self, **picked: Any) -> None:
        self.driver.register(**picked)

    @rule(number=NUMBER)
    def offline(self, number: int) -> None:
        self.driver.offline(number)

    @rule(number=NUMBER, draining=st.booleans())
    def drain(self, **picked: Any) -> None:
        self.driver.drain(**picked)

    @rule(number=NUMBER, slots=SLOTS)
    def resize(self, **picked: Any) -> None:
        self.driver.resize(**picked)

    @rule(number=NUMBER, overloaded=st.booleans(), speed=st.sampled_from([0, 100, 150, 400, 1000]))
    def heartbeat(self, **picked: Any) -> None:
        self.driver.heartbeat(**picked)

    @rule(session=NUMBER, pair=NUMBER)
    def dispatch(self, **picked: Any) -> None:
        self.driver.dispatch(**picked)

    @rule(session=NUMBER, pair=NUMBER)
    def dispatch_more(self, **picked: Any) -> None:
        self.driver.dispatch(**picked)

    @rule(session=NUMBER, ends=st.booleans())
    def segment(self, **picked: Any) -> None:
        self.driver.segment(**picked)

    @rule(pick=NUMBER, by_node=st.booleans())
    def complete(self, **picked: Any) -> None:
        self.driver.complete(**picked)

    @rule(pick=NUMBER)
    def complete_again(self, pick: int) -> None:
        self.driver.complete_again(pick)

    @rule()
    def complete_stale(self) -> None:
        self.driver.complete_stale()

    @rule(pick=NUMBER, reason=NUMBER)
    def failover(self, **picked: Any) -> None:
        self.driver.failover(**picked)

    @rule(pick=NUMBER)
    def progress(self, pick: int) -> None:
        self.driver.progress(pick)

    @rule(ms=st.sampled_from([1, 500, 2000, 5000, 10_000, 30_000]))
    def wait(self, ms: int) -> None:
        self.driver.wait(ms)


@pytest.mark.timeout(240)
def test_any_sequence_of_operations_keeps_the_invariants(
    real_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StoreMachine, "url", real_url, raising=False)
    run_state_machine_as_test(
        StoreMachine,
        settings=settings(max_examples=100, stateful_step_count=40, deadline=None),
    )
