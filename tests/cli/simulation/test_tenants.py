"""A tenant that floods is served, and costs another next to nothing."""

from cli.simulation.command import flooding


def test_ten_times_its_share_raises_anothers_p95_by_a_fifth_at_most() -> None:
    figures = flooding()
    assert figures.rise <= 0.2
    assert figures.flood_served > 1000  # the rest of 32 slots for a minute
