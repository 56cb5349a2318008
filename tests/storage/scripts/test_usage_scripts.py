"""add_usage: what tenants have used, added once to the month in which the store is."""

import calendar
from datetime import UTC, datetime

import pytest

from actors.usage import TenantUsage
from storage.instances import UsageRecord
from storage.replies.job import Fenced, Updated
from tests.support.storage_world import World


def add(world: World, number: int, *rows: TenantUsage, instance: str = "i1") -> object:
    return world.do(world.member(instance).instances.add_usage(number, rows))


def month(world: World) -> str:
    return f"{datetime.fromtimestamp(world.now_ms / 1000, UTC):%Y-%m}"


def used(world: World) -> list[UsageRecord]:
    return world.run(world.member().instances.usage(month(world)))


def test_batches_of_all_instances_are_one_sum(world: World) -> None:
    world.beat("i2")
    add(world, 1, TenantUsage("acme", 1, 2500, 2), TenantUsage("b:c d", 1, 0, 0))
    add(world, 2, TenantUsage("acme", 0, 500, 1))
    add(world, 1, TenantUsage("acme", 3, 0, 0), instance="i2")
    assert sorted(used(world), key=lambda row: row.tenant_id) == [
        UsageRecord("acme", 4, 3000, 3),
        UsageRecord("b:c d", 1, 0, 0),
    ]


def test_a_batch_whose_answer_was_lost_counts_once(world: World) -> None:
    for _ in range(2):
        assert add(world, 1, TenantUsage("acme", 1, 2500, 2)) == Updated()
    assert used(world) == [UsageRecord("acme", 1, 2500, 2)]


def test_an_instance_without_a_lease_adds_nothing_and_gets_none_by_it(world: World) -> None:
    assert add(world, 1, TenantUsage("acme", 1, 2500, 2), instance="i2") == Fenced()
    assert used(world) == []
    assert world.command("EXISTS", "inst:i2") == 0


def test_beyond_the_bound_tenants_count_together(world: World) -> None:
    for number in range(6):
        rows = [TenantUsage(f"t{number}-{of}", 1, 10, 1) for of in range(1000)]
        add(world, number + 1, *rows)
    add(world, 7, TenantUsage("t0-0", 1, 10, 1))
    found = {row.tenant_id: row for row in used(world)}
    assert len(found) == 5001
    assert found["(others)"] == UsageRecord("(others)", 1000, 10_000, 1000)
    assert found["t0-0"].sessions == 2


def month_ends(year: int) -> list[int]:
    """The last ms of each month of a year and the first of the next, as Unix ms."""
    moments = []
    for number in range(1, 13):
        days = calendar.monthrange(year, number)[1]
        end = datetime(year, number, days, 23, 59, 59, 999_000, UTC)
        last_ms = round(end.timestamp() * 1000)
        moments += [last_ms, last_ms + 1]
    return moments


@pytest.mark.parametrize("year", [2026, 2028, 2100, 2400])
def test_each_moment_counts_in_its_month(world: World, year: int) -> None:
    for number, now_ms in enumerate(month_ends(year)):
        world.now_ms = now_ms
        world.beat()
        add(world, number + 1, TenantUsage("acme", 1, 0, 0))
        assert used(world)[0].sessions > 0, now_ms
        world.command("DEL", f"usage:{month(world)}")
