"""`python run.py simulate`: a made-up world, an ideal queue beside it, and the real decisions."""

import json
from array import array
from pathlib import Path

import pytest

from cli.simulation.central_queue import serve_centrally
from cli.simulation.command import main, simulate, sizes, summary
from cli.simulation.demand import SHORTEST_SERVICE_MS, Scale, Utterance, World
from cli.simulation.figures import Cost, Waits, mean, quantile
from cli.simulation.replay import Replay, SimulationError
from protocol.ids import InstanceId, JobId, NodeId
from storage.replies.job import Assigned

SMALL = Scale(nodes=12, sessions=60, seconds=6, models=3, seed=5)


def utterance(at_ms: int, session: int, service_ms: int, index: int = 0) -> Utterance:
    return Utterance(at_ms, session, index, 1000, service_ms, is_burst=False)


# ---- the world ------------------------------------------------------------------------------


def test_the_same_seed_makes_the_same_world_and_another_one_another() -> None:
    assert list(World(SMALL).utterances()) == list(World(SMALL).utterances())
    other = Scale(nodes=12, sessions=60, seconds=6, models=3, seed=6)
    assert list(World(SMALL).utterances()) != list(World(other).utterances())


def test_speech_comes_in_order_of_time_and_each_session_counts_its_own() -> None:
    everything = list(World(SMALL).utterances())
    times = [one.at_ms for one in everything]
    assert times == sorted(times)
    assert times[-1] < SMALL.seconds * 1000
    assert min(one.service_ms for one in everything) >= SHORTEST_SERVICE_MS
    for session in {one.session for one in everything}:
        indexes = [one.index for one in everything if one.session == session]
        assert indexes == list(range(len(indexes)))


def test_every_session_speaks_languages_that_some_node_serves() -> None:
    world = World(SMALL)
    served = {pair for kind in world.model_of_node for pair in world.models[kind].pairs}
    assert {world.pair(session) for session in range(SMALL.sessions)} <= served


def test_the_load_decides_how_long_nodes_take() -> None:
    busy = sum(one.service_ms for one in World(SMALL).utterances())
    idle = Scale(nodes=12, sessions=60, seconds=6, models=3, seed=5, load=0.45)
    less = sum(one.service_ms for one in World(idle).utterances())
    assert less == pytest.approx(busy / 2, rel=0.05)


def test_a_bursting_session_says_everything_at_once_and_the_others_do_not() -> None:
    everything = list(World(Scale(nodes=2, sessions=100, seconds=40, models=1)).utterances())
    burst = [one.at_ms for one in everything if one.session == 0]
    assert burst == [20_000] * 5
    assert [one.is_burst for one in everything if one.session == 0] == [True] * 5
    assert len({one.at_ms for one in everything if one.session == 1}) > 1


# ---- the ideal ------------------------------------------------------------------------------


def test_the_ideal_queue_serves_whoever_came_first() -> None:
    world = World(Scale(nodes=1, sessions=3, seconds=1, capacity=1, models=1))
    waits = serve_centrally(
        world, [utterance(0, 0, 100), utterance(10, 1, 50), utterance(20, 2, 50)]
    )
    assert list(waits.ordinary_ms) == [0, 90, 130]
    assert (waits.busy_ms, waits.ended_ms) == (200, 200)


def test_the_ideal_queue_uses_every_slot_that_can_serve() -> None:
    world = World(Scale(nodes=2, sessions=3, seconds=1, capacity=1, models=1))
    waits = serve_centrally(
        world, [utterance(0, 0, 100), utterance(10, 1, 50), utterance(20, 2, 50)]
    )
    assert list(waits.ordinary_ms) == [0, 0, 40]


# ---- the decisions --------------------------------------------------------------------------


def test_every_utterance_gets_its_slot_and_no_node_more_than_it_takes() -> None:
    figures = simulate(SMALL)
    everything = len(list(World(SMALL).utterances()))
    assert len(figures.waits) == len(figures.ideal) == everything
    assert figures.deciding.scripts == 2 * everything
    assert 0 < figures.most_used_slots <= figures.capacity == 48
    assert figures.deciding.store_us > 1


def test_with_room_for_all_nobody_waits_neither_here_nor_in_the_ideal() -> None:
    figures = simulate(Scale(nodes=40, sessions=20, seconds=6, models=2, load=0.05))
    assert set(figures.waits.ordinary_ms) == set(figures.ideal.ordinary_ms) == {0}


def test_a_node_above_its_capacity_ends_the_simulation() -> None:
    replay = Replay(World(Scale(nodes=1, sessions=2, seconds=1, capacity=1, models=1)), _Nobody())
    given = [
        Assigned(JobId(f"job-{n}-0"), 1, NodeId("node-0"), InstanceId("i"), 1, 0) for n in (0, 1)
    ]
    for one in (utterance(0, 0, 100), utterance(0, 1, 100)):
        replay._epochs.append(1)
        replay._dispatch(one)
    replay._start(0, given[0])
    with pytest.raises(SimulationError, match="node-0 has 2 jobs"):
        replay._start(0, given[1])


class _Nobody:
    """No server: nothing may be asked."""

    async def execute(self, commands: object) -> list[object]:
        raise AssertionError(commands)

    async def close(self) -> None:
        """Nothing is open."""


# ---- what is printed ------------------------------------------------------------------------


def test_the_world_is_played_in_sizes_that_make_sense() -> None:
    assert [size.nodes for size in sizes(Scale(2000, 5000, 1))] == [20, 200, 2000]
    assert [size.sessions for size in sizes(Scale(50, 500, 1))] == [500]


def test_figures_of_nothing_are_zero() -> None:
    assert (mean(array("q")), quantile(array("q"), 0.99)) == (0, 0)
    assert (Cost(0, 0, 0).store_us, Cost(0, 0, 0).per_second) == (0, 0)
    assert quantile(array("q", range(100)), 0.99) == 99
    assert Waits().busy_ms == 0


def test_the_command_prints_a_table_and_writes_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "figures.json"
    argv = ["--nodes", "10", "--sessions", "30", "--seconds", "3", "--json", str(document)]
    assert main(argv) == 0
    [row] = json.loads(document.read_text(encoding="utf-8"))
    assert (row["nodes"], row["sessions"]) == (10, 30)
    assert row["utterances"] > 0
    assert "wait p99 ideal ms" in capsys.readouterr().out
    assert summary(simulate(SMALL))["utterances"] > 0
