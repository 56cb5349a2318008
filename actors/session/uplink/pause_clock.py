"""For how long a speaker has been quiet, and when that is a pause.

It stands still while the client plays speech (its microphone is off) and while a detached
session waits for its client to come back, then goes on from where it stood. Must not: cut.
"""

from math import inf

PLAYBACK_STRAGGLER_MS = 1_000
"""Audio this soon after `tts_started` was under way already. Later audio shows that the client
is sending again: playback is over, even if its `tts_play_ended` was lost."""

MAX_PLAYBACK_MS = 120_000
"""A playback that is not heard of for so long has ended: a lost `tts_play_ended` from a client
that sends nothing more must not keep what was said before from being translated."""


class PauseClock:
    """A stop watch per session. All times are monotonic ms."""

    __slots__ = ("_held", "_playing_since_ms", "_quiet_ms", "is_running", "pause_ms", "since_ms")

    def __init__(self, pause_ms: float) -> None:
        self.pause_ms = pause_ms
        self.since_ms = 0.0
        """While it runs: the moment from which the quiet counts."""
        self._quiet_ms = 0.0
        """While it stands: the quiet counted so far."""
        self._playing_since_ms: float | None = None
        self._held = False
        self.is_running = True
        """False during playback and while held."""

    def __repr__(self) -> str:
        state = "held" if self._held else "running" if self.is_running else "playback"
        return f"<PauseClock {state}, due {self.due_ms:.0f}>"

    @property
    def due_ms(self) -> float:
        """When the quiet becomes a pause, as things stand; infinite while held."""
        if self._held:
            return inf
        if self._playing_since_ms is None:
            return self.since_ms + self.pause_ms
        left_ms = self.pause_ms - self._quiet_ms
        return self._playing_since_ms + MAX_PLAYBACK_MS + left_ms

    def restart(self, now_ms: float) -> float:
        """Count from zero again; return when that will be a pause."""
        self.since_ms = now_ms
        self._quiet_ms = 0.0
        return self.due_ms

    def heard(self, now_ms: float) -> float:
        """Audio came: count from zero again; return when that will be a pause.

        While the clock runs it is enough to move `since_ms`.
        """
        playing_since_ms = self._playing_since_ms
        if playing_since_ms is not None and now_ms >= playing_since_ms + PLAYBACK_STRAGGLER_MS:
            self.playback_ended(now_ms)
        return self.restart(now_ms)

    def excuse(self, now_ms: float, for_ms: float) -> float:
        """The quiet may be ours: let it be a pause no sooner than this; return when that is."""
        if self.is_running:
            self.since_ms = max(self.since_ms, now_ms + for_ms - self.pause_ms)
        return self.due_ms

    def playback_started(self, now_ms: float) -> None:
        """Stand still until `playback_ended`."""
        self._stop(now_ms)
        self._playing_since_ms = now_ms
        self.is_running = False

    def playback_ended(self, now_ms: float) -> None:
        """Go on, unless held. Without a playback this changes nothing."""
        if self._playing_since_ms is not None:
            self._playing_since_ms = None
            self._go_on(now_ms)

    def hold(self, now_ms: float) -> None:
        """Stand still until `release`."""
        self._stop(now_ms)
        self._held = True
        self.is_running = False

    def release(self, now_ms: float) -> None:
        """Go on, unless the client plays speech. Without a hold this changes nothing."""
        if self._held:
            self._held = False
            self._go_on(now_ms)

    def _stop(self, now_ms: float) -> None:
        if self.is_running:
            self._quiet_ms = now_ms - self.since_ms

    def _go_on(self, now_ms: float) -> None:
        self.is_running = self._playing_since_ms is None and not self._held
        if self.is_running:
            self.since_ms = now_ms - self._quiet_ms
