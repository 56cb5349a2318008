"""What tenants have used: counted here, given to the store in batches that count once."""

from actors.usage import OTHERS, TenantUsage, Usage


def test_nothing_used_makes_no_batch() -> None:
    assert Usage().batch() is None


def test_a_batch_stays_the_same_until_the_store_has_it() -> None:
    usage = Usage()
    usage.session_begun("acme")
    first = usage.batch()
    assert first is not None
    assert first.rows == (TenantUsage("acme", 1, 0, 0),)
    usage.job_made("acme", 2500)
    assert usage.batch() is first
    usage.added(first.number + 1)
    assert usage.batch() is first, "another number confirms nothing"
    usage.added(first.number)
    second = usage.batch()
    assert second is not None
    assert (second.number, second.rows) == (2, (TenantUsage("acme", 0, 2500, 1),))


def test_what_is_shown_is_all_of_it_sent_or_not() -> None:
    usage = Usage()
    usage.job_made("acme", 1000)
    usage.batch()
    usage.job_made("acme", 1000)
    assert list(usage.totals()) == [TenantUsage("acme", 0, 2000, 2)]
    assert list(usage.totals()) == [TenantUsage("acme", 0, 2000, 2)], "looking changes nothing"


def test_tenants_beyond_the_bounds_count_together_and_nothing_is_lost() -> None:
    usage = Usage(most_shown=2)
    for number in range(1500):
        usage.job_made(f"t{number}", 10)
    batch = usage.batch()
    assert batch is not None
    assert len(batch.rows) == 1001
    assert sum(row.jobs for row in batch.rows) == 1500
    shown = {row.tenant_id: row.jobs for row in usage.totals()}
    assert shown == {"t0": 1, "t1": 1, OTHERS: 1498}
