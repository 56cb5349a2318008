"""HeldJobs: the assignments that one node has in hand, by the ids that it knows them by.

It owns which slots they take here and which ids are used up. It tells nobody anything.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

from actors.ports import Mailbox
from protocol.ids import InstanceId, JobId, NodeJobId
from protocol.value import value
from storage.job import Slot

_PAST_KEPT = 64
"""Ids a node has used up that are remembered: none is sent twice, and an empty result may be
followed by a full one."""


@value
class Held:
    """One attempt of a job that the node was given."""

    job_id: JobId
    attempt: int
    session: Mailbox | None
    """Who hears partial texts; None: there is no way to it."""
    owner: InstanceId
    """Who hears of the answer; empty: this instance."""
    slot: Slot
    may_go_on: bool
    """Its words may be answered without their translation, which comes with the turn's end."""
    since_ms: float | None = None
    """When it was sent, monotonic ms; None: by another instance, or as part of a turn."""
    speech_ms: int = 0
    """The length of its audio."""


class HeldJobs:
    """Open assignments and used-up ids. An id is in at most one of the two."""

    def __init__(self) -> None:
        self.open: dict[NodeJobId, Held] = {}
        """Read by who holds them; changed here."""
        self.slots: dict[Slot, int] = {}
        """How many open ones take each slot."""
        self._progress: dict[NodeJobId, int] = {}
        """What the node has reported of open ones: 1, it took it; 2, it began."""
        self.past: OrderedDict[NodeJobId, Held | None] = OrderedDict()
        """Ids that it has used up lately; with their job where they were answered."""

    def __len__(self) -> int:
        return len(self.open)

    def __iter__(self) -> Iterator[tuple[NodeJobId, Held]]:
        return iter(tuple(self.open.items()))

    @property
    def used_ids(self) -> tuple[NodeJobId, ...]:
        """Ids that the node has seen lately, open ones included."""
        return (*self.past, *self.open)

    def is_news(self, known_as: NodeJobId, *, started: bool) -> bool:
        """Note that the node took the job, or began it; return whether that is its first report."""
        before = self._progress.get(known_as, 0)
        self._progress[known_as] = max(before, 1 + started)
        return before < 1 + started

    def hold(self, known_as: NodeJobId, held: Held) -> None:
        """Note that the node has it."""
        self.open[known_as] = held
        self.slots[held.slot] = self.slots.get(held.slot, 0) + 1

    def follow(self, known_as: NodeJobId, session: Mailbox | None, owner: InstanceId) -> None:
        """Note who drives it now; it must be open."""
        self.open[known_as] = replace(self.open[known_as], session=session, owner=owner)

    def end(self, known_as: NodeJobId, *, is_answered: bool) -> None:
        """Note that it is over; it must be open."""
        held = self.open.pop(known_as)
        self._progress.pop(known_as, None)
        left = self.slots[held.slot] - 1
        if left:
            self.slots[held.slot] = left
        else:
            del self.slots[held.slot]
        self.past[known_as] = held if is_answered else None
        if len(self.past) > _PAST_KEPT:
            self.past.popitem(last=False)

    def use_up(self, known_as: NodeJobId, answered: Held | None) -> None:
        """Note that an id was seen by the node, whatever became of it."""
        self.past[known_as] = answered
        if len(self.past) > _PAST_KEPT:
            self.past.popitem(last=False)

    def attempt_of(self, job_id: JobId, attempt: int) -> NodeJobId | None:
        """Return under which id the node knows this attempt, while it is open."""
        for known_as, held in self.open.items():
            if held.job_id == job_id and held.attempt == attempt:
                return known_as
        return None

    def clear(self) -> None:
        """Forget everything: the node is lost."""
        self.open.clear()
        self.slots.clear()
        self._progress.clear()
        self.past.clear()
