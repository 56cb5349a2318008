"""The text of a job while it is being spoken, sent as it grows, with its translation behind it.

Owns how often text is sent and what of it is translated: the stable part only, one translation at a
time, so that a slow translator delays translations and never text. A translation that fails is the
last one of its job.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from loguru import logger

from peers.node.growing_text import GrowingText
from protocol.ids import NodeJobId
from protocol.messages.node_inbound import NodeAsrPartial
from protocol.messages.node_outbound import JobAssign
from protocol.wire import WireMessage

INTERVAL_SECONDS = 0.2
"""Between two messages of a job. The scheduler passes on no more than that by default."""


class PartialSender:
    """The partial texts of one job, while its context is open."""

    def __init__(
        self,
        job: JobAssign,
        translate: Callable[[JobAssign, str], Awaitable[str]],
        send: Callable[[WireMessage], None],
    ) -> None:
        self._job = job
        self._translate = translate
        self._send = send
        self._growing = GrowingText()
        self._changed = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None
        self._translating: asyncio.Task[None] | None = None
        self._wants_translation = job.pipeline.use_nmt
        self._source = ""
        """What `_translation` is the translation of."""
        self._translation: str | None = None
        self._sent: tuple[str, int, str | None] | None = None

    async def __aenter__(self) -> Self:
        self._sending = asyncio.create_task(self._send_changes())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Send nothing more.

        A translation at work is not cancelled: an engine may have to start again for that, when the
        job's own translation comes next.
        """
        self._wants_translation = False
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})

    def heard(self, text: str) -> None:
        """Take the text so far; it goes out as soon as the interval allows, the latest only."""
        self._growing.add(text)
        self._changed.set()

    async def _send_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._send_partial()
            self._begin_translation()
            await asyncio.sleep(INTERVAL_SECONDS)

    def _send_partial(self) -> None:
        job = self._job
        state = (self._growing.text, self._growing.stable_chars, self._translation)
        if state == self._sent:
            return
        self._sent = state
        self._send(
            NodeAsrPartial(
                job_id=NodeJobId(job.job_id),
                session_id=job.session_id,
                utterance_index=job.utterance_index,
                text=self._growing.text,
                text_translated=self._translation,
                stable_chars=self._growing.stable_chars,
                is_final=False,
                trace_id=job.trace_id,
            )
        )

    def _begin_translation(self) -> None:
        stable = self._growing.text[: self._growing.stable_chars]
        if not self._wants_translation or not stable or stable == self._source:
            return
        if self._translating is None:
            self._translating = asyncio.create_task(self._translate_stable(stable))
            _TRANSLATING.add(self._translating)
            self._translating.add_done_callback(_TRANSLATING.discard)

    async def _translate_stable(self, stable: str) -> None:
        try:
            self._translation = await self._translate(self._job, stable)
        except Exception as error:  # noqa: BLE001 - engines raise anything; the job goes on without
            self._wants_translation = False
            kind = type(error).__name__
            logger.warning("no translation of partial text", job_id=self._job.job_id, cause=kind)
            return
        finally:
            self._translating = None
        self._source = stable
        self._changed.set()


_TRANSLATING: set[asyncio.Task[None]] = set()
"""Translations at work, some of jobs that are over: a task that nobody holds may vanish."""
