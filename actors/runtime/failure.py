"""What a supervisor hears of an actor that ended by an exception. Values only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from actors.runtime.actor import ActorRef, LoopActor


@dataclass(frozen=True, slots=True)
class ActorFailed:
    """An actor ended by an exception. Sent to its supervisor, once."""

    ref: "ActorRef[Any]"
    """The dead actor."""
    actor_class: "type[LoopActor]"
    key: str
    """The actor's domain id; empty if it has none."""
    exception: BaseException
    failed: tuple[Any, ...]
    """The message that was being handled, or the whole batch; empty for on_start and on_wake."""
    pending: tuple[Any, ...]
    """Messages not handled, oldest first. Asks are not among them: they were answered."""
    handover: Any = None
    """What its `handover` returned: what a successor needs to go on."""


Supervise: TypeAlias = Callable[[ActorFailed], object]
