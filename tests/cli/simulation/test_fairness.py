"""Use of capacity that nobody else wanted is not paid for later."""

import asyncio

from cli.simulation.command import fairness
from cli.simulation.fairness import share_after_idle_use
from storage.embedded.server import StoreOptions, start_store
from storage.store import open_executor


def test_who_used_idle_capacity_has_an_equal_share_afterwards() -> None:
    shares = fairness()
    assert 0.4 <= shares[1] <= 0.6
    assert 1 / 8 <= shares[8] <= 1 / 6


def test_without_rivals_it_has_everything() -> None:
    async def alone(url: str) -> float:
        executor = open_executor(url)
        try:
            return await share_after_idle_use(executor, 0)
        finally:
            await executor.close()

    with start_store(StoreOptions()) as store:
        assert asyncio.run(alone(store.url)) == 1
