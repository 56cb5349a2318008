"""What the user of `python run.py client` sees while a session goes on.

Owns the bar for what is said, the text that grows below it, and a block for each outcome. The facts
come from `peers.client`; how an utterance looks is `utterance_view.py`'s.
"""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from cli.utterance_view import growing_view, utterance_view
from peers.client.client import ClientEvent, SpeechClient
from peers.pcm import duration_ms
from protocol.messages.session_outbound import (
    AsrPartial,
    ErrorMessage,
    MissingResult,
    Reconnect,
    SessionInitAck,
    TranslationResult,
)


class Screen:
    """Life: made, entered for as long as something is said or waited for."""

    def __init__(self, console: Console, *, prints_partials: bool) -> None:
        """Make a screen; with `prints_partials` text that grows is printed, and not overwritten."""
        self.console = console
        self._prints_partials = prints_partials
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._growing = Text()
        self._live = Live(self._view(), console=console, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, client: SpeechClient, event: ClientEvent) -> None:
        """Show what a message of the server means to the user, if anything."""
        match event.message:
            case AsrPartial():
                self._grow(event.message)
            case TranslationResult(utterance_index=index) | MissingResult(utterance_index=index):
                self._show_growing(Text())
                for record in client.timeline.utterances:
                    if record.index == index:
                        self.console.print(utterance_view(record, outcome=event.message))
            case ErrorMessage(code=code, message=message):
                self.console.print(Text(f"the server says {code}: {message}", style="red"))
            case SessionInitAck(resumed=True):
                self.console.print(Text("the line was down; the session goes on", style="yellow"))
            case Reconnect(reason=reason):
                self.console.print(Text(f"the server goes away: {reason}", style="yellow"))
            case _:
                pass

    async def counted(
        self, source: AsyncIterator[bytes], label: str, total_ms: int | None
    ) -> AsyncIterator[bytes]:
        """Yield what a source yields and move the bar along."""
        task = self._progress.add_task(label, total=total_ms)
        async for piece in source:
            yield piece
            self._progress.advance(task, duration_ms(piece))
        self._progress.remove_task(task)

    def wait(self, why: str) -> None:
        """Show that nothing is said any more and what is waited for."""
        self._progress.add_task(why, total=None)

    def _grow(self, partial: AsrPartial) -> None:
        view = growing_view(partial)
        if self._prints_partials:
            self.console.print(view)
        else:
            self._show_growing(view)

    def _show_growing(self, view: Text) -> None:
        self._growing = view
        self._live.update(self._view())

    def _view(self) -> Group:
        return Group(self._progress, self._growing)
