"""Messages that reach nobody: counted always, logged at debug, without their content."""

from typing import Any

from loguru import logger


class _Counter:
    count = 0


def dead_letters() -> int:
    """Return how many messages reached nobody since the process began."""
    return _Counter.count


def count_dead_letters(recipient: str, *messages: object) -> None:
    """Count and log messages that reach nobody."""
    _Counter.count += len(messages)
    for message in messages:
        logger.debug("dead letter", recipient=recipient, message_type=type(message).__name__)


class DeadLetters:
    """A mailbox that nobody empties: it stands where an actor has died without a successor."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"<DeadLetters of the {self._name}>"

    def tell(self, message: Any) -> None:
        """Count the message."""
        count_dead_letters(self._name, message)
