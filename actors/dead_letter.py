"""Messages that reach nobody: counted always, logged at debug, without their content."""

from loguru import logger


class _Counter:
    count = 0


def dead_letters() -> int:
    """Return how many messages reached nobody since the process began."""
    return _Counter.count


def bury(recipient: str, *messages: object) -> None:
    """Count and log messages that reach nobody."""
    _Counter.count += len(messages)
    for message in messages:
        logger.debug("dead letter", recipient=recipient, message_type=type(message).__name__)
