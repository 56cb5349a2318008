"""Whom a fault disturbs, and since when nobody does."""

from tests.chaos.log import EVERYBODY, Disturbed, Event, Undisturbed


class Calm:
    """Since when nothing disturbs somebody, or everybody."""

    def __init__(self) -> None:
        self._faults: dict[str, int] = {}
        self._calm_since: dict[str, float] = {}

    def take(self, event: Event) -> None:
        """Follow the faults."""
        match event:
            case Disturbed():
                self._faults[event.subject] = self._faults.get(event.subject, 0) + 1
            case Undisturbed():
                left = self._faults.get(event.subject, 0) - 1
                self._calm_since[event.subject] = event.at
                if left > 0:
                    self._faults[event.subject] = left
                else:
                    self._faults.pop(event.subject, None)

    def since(self, subject: str) -> float | None:
        """Return since when this one and all were left in peace; None: they are not."""
        if subject in self._faults or EVERYBODY in self._faults:
            return None
        calm = self._calm_since
        return max(calm.get(subject, 0.0), calm.get(EVERYBODY, 0.0))

    def forget(self, subject: str) -> None:
        """Let go of one that is over."""
        self._faults.pop(subject, None)
        self._calm_since.pop(subject, None)
