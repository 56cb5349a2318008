"""The live view: one survey for however many look, and none while nobody does."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from gateway.admin.feed import AdminFeed
from gateway.ports import Survey
from storage.client.executor import StorageUnavailable
from tests.support.virtual_time import run_virtual


@dataclass(eq=False)
class Looker:
    """A subscriber that keeps what it is sent."""

    principal: str | None = None
    updates: list[dict[str, Any]] = field(default_factory=list)

    def update(self, data: bytes) -> None:
        self.updates.append(json.loads(data))


class Bench:
    """A feed whose surveys are counted."""

    def __init__(self) -> None:
        self.surveys = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.fault: Exception | None = None
        self.seconds = 0.0
        """How long a survey takes."""
        self.feed = AdminFeed(self.survey, self.spawn)

    async def survey(self) -> Survey:
        self.surveys += 1
        await asyncio.sleep(self.seconds)
        if self.fault is not None:
            raise self.fault
        nodes = [{"node_id": "n1"}, {"node_id": "n2"}]
        return Survey({"number": self.surveys}, {"nodes": nodes}, {"gpu": ["n2"]})

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))


def run(scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        bench = Bench()
        await scenario(bench)
        for task in bench.tasks:
            task.cancel()
        await asyncio.gather(*bench.tasks, return_exceptions=True)

    run_virtual(main())


def test_a_hundred_lookers_cost_what_one_does() -> None:
    async def scenario(bench: Bench) -> None:
        lookers = [Looker() for _ in range(100)]
        for looker in lookers:
            bench.feed.subscribe(looker)
        await asyncio.sleep(4.5)
        assert bench.surveys == 5
        for looker in lookers:
            assert [each["stats"]["number"] for each in looker.updates] == [1, 2, 3, 4, 5]

    run(scenario)


def test_who_comes_between_two_surveys_gets_the_last_one_at_once() -> None:
    async def scenario(bench: Bench) -> None:
        bench.feed.subscribe(Looker())
        await asyncio.sleep(0.5)
        late = Looker()
        bench.feed.subscribe(late)
        assert [each["stats"]["number"] for each in late.updates] == [1]
        await asyncio.sleep(0.6)
        assert [each["stats"]["number"] for each in late.updates] == [1, 2]
        assert bench.surveys == 2

    run(scenario)


def test_while_nobody_looks_nothing_is_read() -> None:
    async def scenario(bench: Bench) -> None:
        looker = Looker()
        bench.feed.subscribe(looker)
        await asyncio.sleep(0.1)
        bench.feed.unsubscribe(looker)
        await asyncio.sleep(60)
        assert bench.surveys == 1
        bench.feed.subscribe(looker)
        await asyncio.sleep(0.1)
        assert [each["stats"]["number"] for each in looker.updates] == [1, 2]

    run(scenario)


def test_a_slow_store_is_asked_no_more_often_than_it_answers() -> None:
    async def scenario(bench: Bench) -> None:
        bench.seconds = 2.0
        bench.feed.subscribe(Looker())
        await asyncio.sleep(9.9)
        assert bench.surveys == 5

    run(scenario)


def test_an_owner_of_nodes_sees_these_and_nothing_else() -> None:
    async def scenario(bench: Bench) -> None:
        owner, stranger, operator = Looker("gpu"), Looker("other"), Looker()
        for looker in (owner, stranger, operator):
            bench.feed.subscribe(looker)
        await asyncio.sleep(0.1)
        assert owner.updates[0]["cluster"] == {"nodes": [{"node_id": "n2"}]}
        assert owner.updates[0]["stats"] == {"nodes": {"connected_nodes": 1}}
        assert stranger.updates[0]["cluster"] == {"nodes": []}
        assert len(operator.updates[0]["cluster"]["nodes"]) == 2
        assert bench.surveys == 1

    run(scenario)


def test_a_store_that_hangs_is_shown_as_away() -> None:
    async def scenario(bench: Bench) -> None:
        bench.seconds = 3600.0
        looker = Looker()
        bench.feed.subscribe(looker)
        await asyncio.sleep(5.5)
        assert looker.updates[0]["stats"]["store"]["ok"] is False

    run(scenario)


def test_a_survey_that_fails_is_followed_by_the_next() -> None:
    async def scenario(bench: Bench) -> None:
        bench.fault = StorageUnavailable("a bug: nobody has made a survey of it")
        looker = Looker()
        bench.feed.subscribe(looker)
        await asyncio.sleep(0.5)
        assert looker.updates == []
        bench.fault = None
        await asyncio.sleep(1.0)
        assert [each["stats"]["number"] for each in looker.updates] == [2]

    run(scenario)
