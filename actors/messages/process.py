"""What concerns the whole process and the other instances."""

from protocol.ids import InstanceId
from protocol.value import value
from storage.cells import FIRST, Cell
from storage.replies.job import Note, Released


@value
class DispatcherRestarted:
    """A dispatcher took over: sessions tell it again what is open."""


@value
class StoreEmptied:
    """The store has lost its data: who has something in it puts it there again."""


@value
class PeerSuspected:
    """Another instance does not answer: look at its lease when it ends."""

    instance_id: InstanceId
    lease_left_ms: int


@value
class PeerUnreachable:
    """An instance does not answer any more, so nothing comes back from its nodes either."""

    instance_id: InstanceId


@value
class InstanceReaped:
    """Others took this instance for dead: jobs of theirs that our nodes had go elsewhere."""


@value
class NoteArrived:
    """Another instance's script did something to a job or a session of ours."""

    note: Note | Released


@value
class InstanceExpired:
    """To the dispatcher: another instance's lease has lapsed, clear up after it."""

    instance_id: InstanceId
    cell: Cell = FIRST
    """The part of the store in which it was noticed."""
