"""What supervisors decide about failures, and what becomes of the messages."""

from collections import deque
from typing import Any

import pytest

from actors.directory import Directory
from actors.ports import Mailbox
from actors.runtime.actor import ActorFailed, ActorRef, LoopActor, dead_letters
from actors.runtime.dead_letter import DeadLetters
from actors.runtime.supervisor import Policy, Rule, Supervisor, decide
from tests.support.virtual_time import run_virtual, settle, stop_actors


class WorkerActor(LoopActor):
    """Keeps words in a shared list; raises on "bomb"."""

    def __init__(self, done: list[str]) -> None:
        super().__init__()
        self.done = done

    def on_receive(self, message: Any) -> None:
        if message == "bomb":
            raise ValueError(message)
        self.done.append(message)


class World:
    """A worker in a directory, with a supervisor; the clock is moved by hand."""

    def __init__(self, rule: Rule | None = None) -> None:
        self.done: list[str] = []
        self.escalated: list[ActorFailed] = []
        self.directory = Directory()
        self.now_ms = 0.0
        rules: dict[type[LoopActor], Rule] = {
            WorkerActor: rule or Rule(Policy.RESTART, restart=self.start)
        }
        self.supervisor = Supervisor(rules, self.escalated.append, lambda: self.now_ms)

    def start(self, _: ActorFailed | None = None) -> Mailbox:
        """Start a worker and enter it in the directory."""
        ref: ActorRef[Any] = WorkerActor.start(self.done, supervisor=self.supervisor)
        self.directory.dispatcher = ref
        return ref

    async def tell(self, *messages: str) -> None:
        """Tell the current worker and let it work."""
        for message in messages:
            self.directory.dispatcher.tell(message)
        await settle()


def test_a_successor_gets_the_pending_messages_in_order_without_the_failing_one() -> None:
    async def main() -> None:
        world = World()
        first = world.start()
        before = dead_letters()
        await world.tell("a", "bomb", "b", "c")
        assert world.directory.dispatcher is not first
        assert world.done == ["a", "b", "c"]
        assert dead_letters() == before + 1, "the failing message itself"
        await stop_actors()

    run_virtual(main())


def test_no_other_actor_ever_meets_the_gap_between_two_lives() -> None:
    class CallerActor(LoopActor):
        def __init__(self, world: World) -> None:
            super().__init__()
            self.world = world

        def on_receive(self, message: Any) -> None:
            self.world.directory.dispatcher.tell(message)

    async def main() -> None:
        world = World()
        world.start()
        callers = [CallerActor.start(world) for _ in range(20)]
        await settle()
        for number, caller in enumerate(callers):
            caller.tell("bomb" if number % 7 == 3 else f"w{number}")
        await settle()
        assert world.done == [f"w{number}" for number in range(20) if number % 7 != 3]
        assert all(caller.is_alive() for caller in callers)
        await stop_actors()

    run_virtual(main())


def test_a_stop_that_waited_is_honoured_by_the_successor() -> None:
    async def main() -> None:
        world = World()
        ref = world.start()
        assert isinstance(ref, ActorRef)
        for message in ("bomb", "a"):
            ref.tell(message)
        ref.stop(block=False)
        await settle()
        assert world.done == ["a"]

    run_virtual(main())


def test_one_failure_too_many_in_the_window_escalates_once() -> None:
    async def main() -> None:
        world = World()
        world.start()
        await world.tell(*["bomb"] * 5)
        assert world.escalated == []
        before = dead_letters()
        await world.tell("bomb", "lost")
        assert len(world.escalated) == 1
        assert world.supervisor.has_escalated
        assert dead_letters() == before + 2
        assert world.supervisor.failures == {"WorkerActor": 6}

    run_virtual(main())


def test_failures_that_are_far_apart_do_not_escalate() -> None:
    async def main() -> None:
        world = World()
        world.start()
        for _ in range(20):
            await world.tell("bomb")
            world.now_ms += 20_000
        assert world.escalated == []
        await stop_actors()

    run_virtual(main())


def test_a_stopped_actor_is_cleaned_up_and_its_messages_are_counted() -> None:
    async def main() -> None:
        cleaned: list[ActorFailed] = []
        world = World(Rule(Policy.STOP, clean_up=cleaned.append, max_failures=None))
        before = dead_letters()
        world.start()
        await world.tell("a", "bomb", "b")
        assert [failure.pending for failure in cleaned] == [("b",)]
        assert dead_letters() == before + 2
        for _ in range(10):
            world.start()
            await world.tell("bomb")
        assert world.escalated == []

    run_virtual(main())


def test_a_class_without_a_rule_escalates_and_a_subclass_follows_its_ancestor() -> None:
    class ApprenticeActor(WorkerActor):
        pass

    class StrangerActor(LoopActor):
        def on_receive(self, message: Any) -> None:
            raise ValueError(message)

    async def main() -> None:
        world = World(Rule(Policy.STOP))
        ApprenticeActor.start([], supervisor=world.supervisor).tell("bomb")
        await settle()
        assert world.escalated == []
        StrangerActor.start(supervisor=world.supervisor).tell("bomb")
        await settle()
        assert [failure.actor_class for failure in world.escalated] == [StrangerActor]

    run_virtual(main())


def test_a_factory_that_fails_escalates(log_records: list[dict[str, Any]]) -> None:
    def broken(failure: ActorFailed) -> Mailbox:
        raise OSError(failure.key)

    async def main() -> None:
        world = World(Rule(Policy.RESTART, restart=broken))
        world.start()
        await world.tell("bomb", "a")
        assert len(world.escalated) == 1

    run_virtual(main())
    assert "supervision failed" in [record["message"] for record in log_records]


def test_after_an_escalation_nothing_is_restarted() -> None:
    async def main() -> None:
        world = World(Rule(Policy.ESCALATE))
        world.start()
        await world.tell("bomb")
        world.supervisor._rules[WorkerActor] = Rule(Policy.RESTART, restart=world.start)
        world.start()
        await world.tell("bomb")
        assert len(world.escalated) == 1

    run_virtual(main())


def test_the_window_forgets_failures_as_they_age() -> None:
    rule = Rule(Policy.STOP, max_failures=2, window_ms=1000)
    record: deque[float] = deque()
    times = (0, 400, 999, 1400, 1999, 2500, 2600)
    policies = [decide(rule, record, now_ms) for now_ms in times]
    stop, escalate = Policy.STOP, Policy.ESCALATE
    assert policies == [stop, stop, escalate, stop, stop, stop, escalate]


def test_a_rule_needs_a_factory_exactly_if_it_restarts() -> None:
    with pytest.raises(ValueError, match="restart"):
        Rule(Policy.RESTART)
    with pytest.raises(ValueError, match="restart"):
        Rule(Policy.STOP, restart=lambda failure: failure.ref)


def test_a_successor_is_told_what_the_rule_says_and_the_rest_is_counted() -> None:
    async def main() -> None:
        def start(failure: ActorFailed) -> Mailbox:
            return world.start(failure)

        world = World(Rule(Policy.RESTART, restart=start, hand_over=lambda _: ["new"]))
        world.start()
        before = dead_letters()
        world.directory.dispatcher.tell("bomb")
        world.directory.dispatcher.tell("a")
        await settle()
        assert world.done == ["new"]
        assert dead_letters() == before + 2
        await stop_actors()

    run_virtual(main())


def test_where_there_is_no_use_in_a_successor_what_waited_is_counted() -> None:
    async def main() -> None:
        world = World(Rule(Policy.RESTART, restart=lambda _: None))
        world.start()
        before = dead_letters()
        world.directory.dispatcher.tell("bomb")
        world.directory.dispatcher.tell("a")
        await settle()
        assert dead_letters() == before + 2
        assert not world.escalated

    run_virtual(main())


def test_who_fails_again_and_again_gets_no_successor_but_others_do() -> None:
    class KeyedActor(WorkerActor):
        def __init__(self, key: str) -> None:
            super().__init__([])
            self.key = key

    async def main() -> None:
        lives: list[str] = []
        supervisor: list[Supervisor] = []

        def start(failure: ActorFailed) -> Mailbox:
            lives.append(failure.key)
            return begin(failure.key)

        def begin(key: str) -> Mailbox:
            return KeyedActor.start(key, supervisor=supervisor[0])

        rule = Rule(Policy.RESTART, restart=start, max_failures=None, max_restarts=2)
        now_ms = [0.0]
        supervisor.append(Supervisor({KeyedActor: rule}, lambda _: None, lambda: now_ms[0]))
        for key in ("a", "a", "a", "b"):
            begin(key).tell("bomb")
            await settle()
        assert lives == ["a", "a", "b"]
        now_ms[0] = 60_001
        begin("a").tell("bomb")
        await settle()
        assert lives == ["a", "a", "b", "a"]
        await stop_actors()

    run_virtual(main())


def test_dead_letters_take_what_is_sent_to_a_dead_actor_and_count_it() -> None:
    before = dead_letters()
    DeadLetters("dispatcher").tell("word")
    assert dead_letters() == before + 1
