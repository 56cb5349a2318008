"""The event-loop backend of pykka: `LoopActor`, its replies, `tell`, and what a failure tells.

It owns how actors run: one message at a time, a bounded number per turn of the loop, one timer
each, and an end that hands over every unhandled message. It must not know what actors do. It is
the module that the rest of the process knows pykka by.

Rules of the file:
- Everything runs on one thread, that of the loop. `tell` and `ask` are safe from others.
- A synchronous handler runs inline. A coroutine handler runs as one task, and the next message
  waits for its end.
- An exception ends the actor, except in an `ask`, where it goes to the asker.
- A supervisor is called before any other actor runs, so nobody meets the gap between two lives.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from types import CoroutineType
from typing import Any, ClassVar, NamedTuple, Self, cast

from loguru import logger
from pykka import Actor, ActorDeadError, ActorRef, ActorRegistry
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from actors.ports import Mailbox
from actors.runtime.alarm import Alarm
from actors.runtime.dead_letter import count_dead_letters, dead_letters
from actors.runtime.failure import ActorFailed, Supervise
from actors.runtime.future import BlockingCallError, LoopFuture, answer_unhandled, refuse
from actors.runtime.inbox import NOTHING, InboxClosedError, LoopInbox, inbox_depths
from actors.runtime.registry import RefList, StoppedFlag

__all__ = [
    "ActorDeadError",
    "ActorFailed",
    "ActorRef",
    "ActorRegistry",
    "BlockingCallError",
    "LoopActor",
    "LoopFuture",
    "Supervise",
    "count_dead_letters",
    "dead_letters",
    "inbox_depths",
    "inbox_of",
    "is_alive",
    "tell",
]

RUN_BUDGET = 32
"""Messages an actor handles before sockets and other actors get their turn."""

if not isinstance(ActorRegistry._actor_refs, RefList):  # noqa: SLF001 - see actors/runtime/registry.py
    ActorRegistry._actor_refs = cast(  # noqa: SLF001 - pykka has no hook for it
        "list[ActorRef[Any]]",
        RefList(ActorRegistry._actor_refs),  # noqa: SLF001 - as above
    )


# ---- telling --------------------------------------------------------------------------------


def tell(ref: Mailbox, message: Any) -> bool:
    """Leave a message; False if the actor is dead (the message is counted as a dead letter)."""
    try:
        if type(ref) is not ActorRef:
            ref.tell(message)
        elif not ref.actor_stopped.is_raised:  # type: ignore[attr-defined]  # a `StoppedFlag`
            # A tuple is a message of pykka: a stop that a successor inherits.
            ref.actor_inbox.put(Envelope(message) if isinstance(message, tuple) else message)
        else:
            count_dead_letters(str(ref), message)
            return False
    except (ActorDeadError, InboxClosedError):
        count_dead_letters(str(ref), message)
        return False
    return True


def is_alive(ref: Mailbox) -> bool:
    """Return whether the actor behind a ref still takes messages; other mailboxes always do."""
    return type(ref) is not ActorRef or not ref.actor_stopped.is_raised  # type: ignore[attr-defined]


def inbox_of(ref: Mailbox) -> LoopInbox[Any]:
    """Return the inbox behind a ref, for readers that stop while it `is_full`."""
    inbox = getattr(ref, "actor_inbox", None)
    if not isinstance(inbox, LoopInbox):
        raise TypeError(f"{ref!r} is no reference to a LoopActor")
    return inbox


# ---- actors ---------------------------------------------------------------------------------


class _Wake(NamedTuple):
    """The actor's own timer is due. A tuple, as pykka's own messages are: one check finds all."""


class LoopActor(Actor):
    """An actor on the running asyncio loop. Subclasses write `on_receive` and the `on_` hooks.

    Life: made, started from the loop's thread, `on_start`, messages, then `on_stop` (asked to
    stop) or `on_failure` (an exception). Built but not started, its methods can be called
    directly and `tell` to it waits in its inbox.
    """

    mailbox_limit: ClassVar[int | None] = None
    """Messages at which the inbox calls itself full; it takes more all the same."""
    _takes_batches: ClassVar[bool] = False

    key: str = ""
    """The id under which the actor is known outside: a session's, a node's."""
    actor_inbox: LoopInbox[Any]
    """Holds what `tell` left as it is, and what pykka left in its envelope."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._takes_batches = cls.on_receive_batch is not LoopActor.on_receive_batch

    def __init__(self) -> None:
        super().__init__()
        self.actor_stopped = self.actor_ref.actor_stopped = cast("Any", StoppedFlag())
        self._loop: asyncio.AbstractEventLoop | None = None
        self._supervise: Supervise | None = None
        self._task: asyncio.Task[Any] | None = None
        self._alarm: Alarm | None = None

    @classmethod
    def start(
        cls, *args: Any, supervisor: Supervise | None = None, **kwargs: Any
    ) -> ActorRef[Self]:
        """Make the actor and start it on the running loop; `supervisor` hears of its failure."""
        loop = asyncio.get_running_loop()
        actor = cls(*args, **kwargs)
        actor._supervise = supervisor
        actor._loop = loop
        ActorRegistry.register(actor.actor_ref)
        actor._start_actor_loop()
        return actor.actor_ref

    @classmethod
    def _create_actor_inbox(cls) -> LoopInbox[Any]:
        return LoopInbox(cls.__name__, cls.mailbox_limit, refuse)

    @staticmethod
    def _create_future() -> LoopFuture[Any]:
        return LoopFuture()

    def _start_actor_loop(self) -> None:
        self._loop = self._loop or asyncio.get_running_loop()
        run = self._run_batch if self._takes_batches else self._run
        self.actor_inbox.open(self._loop, run)
        self._loop.call_soon(self._begin)

    # ---- what subclasses write --------------------------------------------------------------

    def on_start(self) -> Any:
        """Run before the first message; a coroutine it returns is awaited first."""

    def on_stop(self) -> Any:
        """Run after the last message when asked to stop; a coroutine it returns is awaited."""

    def on_receive_batch(self, messages: list[Any]) -> Any:
        """Handle all that waits at once; overriding this turns batches on. May be a coroutine."""
        raise NotImplementedError

    def handover(self, error: BaseException) -> Any:  # noqa: ARG002 - for those who override it
        """Run after `on_failure`: return what a successor needs to go on."""
        return None

    def on_wake(self, now_ms: float) -> Any:
        """Handle the time set with `wake_at`. May be a coroutine."""
        raise NotImplementedError(f"{type(self).__name__} sets a timer but has no on_wake")

    # ---- time -------------------------------------------------------------------------------

    def now_ms(self) -> float:
        """Return the loop's monotonic time in milliseconds."""
        loop = self._loop or asyncio.get_running_loop()
        return loop.time() * 1000

    def wake_at(self, at_ms: float | None) -> None:
        """Have `on_wake` called at this time, or not at all (None). The newest call holds."""
        if self._alarm is None:
            if at_ms is None:
                return
            self._alarm = Alarm(self._loop or asyncio.get_running_loop(), self._ring)
        self._alarm.set(at_ms)

    def _ring(self) -> None:
        self.actor_inbox.put(Envelope(_Wake()))

    def _wake(self) -> Any:
        """Handle the wake-up, unless a message before it moved the deadline."""
        now_ms = None if self._alarm is None else self._alarm.take()
        return None if now_ms is None else self.on_wake(now_ms)

    # ---- running ----------------------------------------------------------------------------

    def _begin(self) -> None:
        if self.actor_stopped.is_set():
            return
        try:
            reply = self.on_start()
        except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor decides
            self._fail(error, ())
            return
        if type(reply) is CoroutineType:
            self._await(reply, None, ())
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Run again soon if something waits, else sleep until the next put."""
        inbox = self.actor_inbox
        if inbox.queue:
            inbox.wake()
        else:
            inbox.queue, inbox.awake = NOTHING, False
        if inbox.waiting_readers:
            inbox.check_space()

    def _run(self) -> None:
        """Handle waiting messages one by one, a bounded number."""
        inbox = self.actor_inbox
        queue, gauge, on_receive = inbox.queue, inbox.gauge, self.on_receive
        for _ in range(min(len(queue), RUN_BUDGET)):
            message = queue.popleft()
            gauge.depth -= 1
            if type(message) is Envelope:
                if not self._handle(message):
                    return
                continue
            try:
                reply = on_receive(message)
            except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor decides
                self._fail(error, (message,))
                return
            if reply is not None and type(reply) is CoroutineType:
                self._await(reply, Envelope(message), (message,))
                return
        if inbox.queue or inbox.waiting_readers:
            self._go_on()
        else:
            inbox.queue, inbox.awake = NOTHING, False

    def _run_batch(self) -> None:
        """Handle all plain messages up to the next ask or message of pykka, in one call."""
        inbox = self.actor_inbox
        messages: list[Any] = []
        while queue := inbox.queue:
            message = queue[0]
            if type(message) is Envelope:
                if not _is_plain(message):
                    break
                message = message.message
            messages.append(message)
            queue.popleft()
        inbox.gauge.depth -= len(messages)
        if not messages:
            if not queue or self._handle(inbox.get()):
                self._go_on()
            return
        try:
            reply = self.on_receive_batch(messages)
        except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor decides
            self._fail(error, tuple(messages))
            return
        if type(reply) is CoroutineType:
            self._await(reply, None, tuple(messages))
        else:
            self._go_on()

    def _handle(self, envelope: Envelope[Any]) -> bool:
        """Handle one message; False if the next must wait for a task, or there is no next."""
        message = envelope.message
        try:
            if not isinstance(message, tuple):
                reply = self.on_receive(message)
                if reply is None and envelope.reply_to is None:
                    return True
            else:
                reply = self._handle_receive(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor decides
            return self._on_error(envelope, error)
        if type(reply) is CoroutineType:
            self._await(reply, envelope, (message,))
            return False
        return self._answer(envelope, reply)

    def _handle_receive(self, message: Any) -> Any:
        """Sort out pykka's own messages and the timer's."""
        return self._wake() if isinstance(message, _Wake) else super()._handle_receive(message)

    def _await(
        self,
        handler: Coroutine[Any, Any, Any],
        envelope: Envelope[Any] | None,
        handled: tuple[Any, ...],
    ) -> None:
        loop = self._loop or asyncio.get_running_loop()
        self._task = loop.create_task(handler)
        self._task.add_done_callback(partial(self._on_task_done, envelope, handled))

    def _on_task_done(
        self,
        envelope: Envelope[Any] | None,
        handled: tuple[Any, ...],
        task: asyncio.Task[Any],
    ) -> None:
        self._task = None
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            goes_on = envelope is None or self._answer(envelope, task.result())
        elif envelope is None:
            goes_on = self._fail(error, handled)
        else:
            goes_on = self._on_error(envelope, error)
        if goes_on:
            self._go_on()

    def _answer(self, envelope: Envelope[Any], reply: Any) -> bool:
        if envelope.reply_to is not None:
            envelope.reply_to.set(reply)
        if self.actor_stopped.is_set():
            self._retire()
            return False
        return True

    # ---- ends -------------------------------------------------------------------------------

    def _on_error(self, envelope: Envelope[Any], error: BaseException) -> bool:
        if self.actor_stopped.is_set():  # on_stop raised: the end is wanted all the same
            self._log_failure("actor failed while it stopped", error)
            return self._answer(envelope, None)
        if envelope.reply_to is not None:
            envelope.reply_to.set_exception((type(error), error, error.__traceback__))
            return True
        failed = () if isinstance(envelope.message, _Wake) else (envelope.message,)
        return self._fail(error, failed)

    def _stop(self) -> Any:
        ActorRegistry.unregister(self.actor_ref)
        self.actor_stopped.set()
        return self.on_stop()

    def _retire(self) -> None:
        """End as asked: what came behind the stop reaches nobody."""
        left = [message for message in self._close() if not isinstance(message, _ActorStop)]
        count_dead_letters(str(self.actor_ref), *left)

    def _fail(self, error: BaseException, failed: tuple[Any, ...]) -> bool:
        """End by an exception: log it, clean up, hand everything to the supervisor."""
        self._log_failure("actor failed", error)
        ActorRegistry.unregister(self.actor_ref)
        self.actor_stopped.set()
        handover: Any = None
        try:
            self.on_failure(type(error), error, error.__traceback__)
            handover = self.handover(error)
        except Exception as second:  # noqa: BLE001 - the clean-up of a failure may fail, too
            self._log_failure("actor failed in on_failure", second)
        failure = ActorFailed(
            self.actor_ref, type(self), self.key, error, failed, tuple(self._close()), handover
        )
        try:
            if self._supervise is not None:
                self._supervise(failure)
                return False
        except Exception as second:  # noqa: BLE001 - the clean-up of a failure may fail, too
            self._log_failure("supervisor failed", second)
        count_dead_letters(str(self.actor_ref), *failure.failed, *failure.pending)
        return False

    def _close(self) -> list[Any]:
        """Free the inbox and the timer; answer asks; return the messages nobody handled."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        messages: list[Any] = []
        for envelope in self.actor_inbox.close():
            if type(envelope) is not Envelope:
                messages.append(envelope)
                continue
            if not isinstance(envelope.message, _Wake) and (
                envelope.reply_to is None or isinstance(envelope.message, _ActorStop)
            ):
                messages.append(envelope.message)
            answer_unhandled(str(self.actor_ref), envelope)
        return messages

    def _log_failure(self, what: str, error: BaseException) -> None:
        log = logger.opt(exception=error)
        log.error(what, actor=type(self).__name__, key=self.key, urn=self.actor_urn)


def _is_plain(envelope: Envelope[Any]) -> bool:
    return envelope.reply_to is None and not isinstance(envelope.message, tuple)
