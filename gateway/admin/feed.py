"""AdminFeed: the live view, taken once in each interval for however many look at it.

It owns the interval and who subscribed. While nobody has, nothing is read. A subscriber that does
not read misses updates, and gets the next one when it does: a later one replaces an earlier.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from loguru import logger

from gateway.ports import Survey
from protocol.codec import encode_utf8
from protocol.messages.admin import AdminUpdate

_INTERVAL_SECONDS = 1.0
_SURVEY_SECONDS = 5.0


class Subscriber(Protocol):
    """Who looks."""

    @property
    def principal(self) -> str | None:
        """Whose nodes it may see; None: it may see everything."""

    def update(self, data: bytes) -> None:
        """Take the live view, encoded; never blocks."""


class AdminFeed:
    """Life: that of the gateway. One task while somebody looks."""

    def __init__(
        self,
        survey: Callable[[], Awaitable[Survey]],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`spawn` runs the task, and cancels it when the gateway closes."""
        self._survey = survey
        self._spawn = spawn
        self._subscribers: dict[Subscriber, None] = {}
        self._is_running = False
        self._last: Survey | None = None
        """Set between two surveys: for who comes meanwhile."""

    def __repr__(self) -> str:
        return f"<AdminFeed subscribers={len(self._subscribers)}>"

    def subscribe(self, subscriber: Subscriber) -> None:
        """Send it updates from now on, the first at once; asked again, it changes nothing."""
        if subscriber in self._subscribers:
            return
        self._subscribers[subscriber] = None
        if not self._is_running:
            self._is_running = True
            self._spawn(self._run())
        elif self._last is not None:
            self._send(self._last, [subscriber])

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Send it no more."""
        self._subscribers.pop(subscriber, None)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._subscribers:
                next_s = loop.time() + _INTERVAL_SECONDS
                self._last = None
                survey = await self._take()
                if survey is not None:
                    self._send(survey, list(self._subscribers))
                    self._last = survey
                await asyncio.sleep(next_s - loop.time())
        finally:
            self._is_running = False
            self._last = None

    async def _take(self) -> Survey | None:
        try:
            async with asyncio.timeout(_SURVEY_SECONDS):
                return await self._survey()
        except TimeoutError:
            return Survey({"store": {"ok": False, "error": "the store does not answer"}}, {})
        except Exception:  # noqa: BLE001 - a bug in a report must not end the view for good
            logger.opt(exception=True).error("the live view failed")
            return None

    def _send(self, survey: Survey, subscribers: list[Subscriber]) -> None:
        """Encode it once for all operators, and once for each owner of nodes."""
        at_ms = int(time.time() * 1000)
        encoded: dict[str | None, bytes] = {}
        for subscriber in subscribers:
            principal = subscriber.principal
            data = encoded.get(principal)
            if data is None:
                view = survey if principal is None else survey.of_owner(principal)
                stats, cluster = dict(view.stats), dict(view.cluster)
                update = AdminUpdate(at_ms=at_ms, stats=stats, cluster=cluster)
                data = encoded[principal] = encode_utf8(update)
            subscriber.update(data)
