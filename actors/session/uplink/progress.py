"""AudioProgress: which audio of a session may be forgotten by its client, and which has arrived.

Only sessions that asked for `resume` have one. Pure. Must not: hold audio, or know why an
utterance was cut.
"""

from collections.abc import Iterable
from math import inf

from actors.session.uplink.runs import Runs
from protocol.ids import RequestId

_MOST_RUNS = 64

_ROUNDING_MS = 0.001
"""A timer may ring this early, for clocks count in seconds; it must not ring again and again."""


class AudioProgress:
    """Follows each `seq` from its arrival until its utterance has its outcome.

    Settled is what belongs to delivered utterances or to none (silence makes none). The client
    hears of it at most once per interval, and only when it has grown. All times are monotonic ms.
    """

    def __init__(self, interval_ms: float) -> None:
        self._interval_ms = interval_ms
        self._taken = Runs(_MOST_RUNS)
        self._tiny = Runs(_MOST_RUNS)
        self._catch_up = CatchUp()
        self._unanswered: dict[RequestId, int] = {}
        """Utterances without a delivered outcome, with the lowest `seq` of each."""
        self._segment_seq: int | None = None
        """The lowest `seq` that is not cut yet."""
        self._has_moved = False
        """Something was settled since the last look."""
        self.streams = StreamBegins()
        self._told_seq = 0
        self._told_at_ms = -inf
        self._stored_seq = 0
        """Up to here the store knows what was cut: another instance will not ask for it again."""
        self._cut_before = 0
        """What comes before it was cut elsewhere."""
        self.lags = False
        """More is settled than the store knows of."""
        self.has_joined = False
        """The store does not know of `joined_seq` yet."""
        self.joined_seq = -1
        """The latest `seq` that came within a hangover, and so belongs to what a final ended."""

    def __repr__(self) -> str:
        return f"<AudioProgress {self._taken!r}, {len(self._unanswered)} unanswered>"

    @property
    def next_seq(self) -> int:
        """The first `seq` that was not taken: from here on the client sends again."""
        return max(self._taken.first_missing, self._settled_seq())

    @property
    def end_seq(self) -> int:
        """The first `seq` that belongs to no cut, nor to what made none."""
        segment_seq = self._segment_seq
        end = self._taken.end if segment_seq is None else self._taken.gap_below(segment_seq)
        return max(end, self._cut_before)

    @property
    def last_seq(self) -> int:
        """The highest `seq` taken; 0 before the first."""
        return max(0, self._taken.end - 1)

    @property
    def due_ms(self) -> float | None:
        """When `acknowledge` may have something to say; None while nothing has moved."""
        return self._told_at_ms + self._interval_ms if self._has_moved else None

    # ---- what arrives -----------------------------------------------------------------------

    def has(self, seq: int) -> bool:
        """Tell whether a chunk or final with this number was taken."""
        return seq < self._taken.end and seq in self._taken

    def take(self, seq: int) -> bool:
        """Take a chunk or final; False if it was taken before."""
        return self._taken.add(seq)

    def has_tiny(self, utterance_index: int) -> bool:
        """Tell whether a tiny utterance of this index was taken."""
        return utterance_index in self._tiny

    def take_tiny(self, utterance_index: int) -> bool:
        """Take a tiny utterance, which counts by its own index; False if it was taken before."""
        return self._tiny.add(utterance_index)

    def resumed(self, heard_ms: float, now_ms: float) -> None:
        """The client is back: it sends again, and it may not have heard the last word."""
        self._catch_up.begin(heard_ms, now_ms)
        self._told_seq = 0
        self._has_moved = True

    def is_late(self, heard_ms: float, now_ms: float) -> bool:
        """Tell whether the chunk that comes now was recorded while the line was down."""
        return self._catch_up.chunk(heard_ms, now_ms)

    def joined(self, seq: int) -> None:
        """Note that a chunk came within a hangover.

        Another instance cannot see from the audio that it did, and would cut before it.
        """
        if seq > self.joined_seq:
            self.joined_seq = seq
            self.has_joined = True

    def restore(self, next_seq: int, end_seq: int, joined_seq: int = -1) -> None:
        """Begin in the middle: before `next_seq` all is settled, before `end_seq` all was cut."""
        self.joined_seq = joined_seq
        self._taken.add_run(0, next_seq)
        self._catch_up = CatchUp(was_elsewhere=True)
        self._stored_seq = self._cut_before = end_seq

    def in_stream(self, seq: int, *, needs_begin: bool) -> None:
        """Note that a chunk belongs to a stream that can only be read from its begin, or does not.

        Who hears of such a stream elsewhere has to hear all of it: none of it is settled before all
        of it is.
        """
        self.streams.note(seq, needs_begin=needs_begin)

    # ---- what becomes of it -----------------------------------------------------------------

    def segment(self, first_seq: int | None) -> None:
        """Note which `seq` is the lowest one not cut yet."""
        if first_seq != self._segment_seq:
            self._has_moved = self._has_moved or self._segment_seq is not None
            self._segment_seq = first_seq

    def cut(self, key: RequestId, first_seq: int | None) -> None:
        """Note an utterance and its lowest `seq`; None: it has none."""
        if first_seq is not None:
            self._unanswered[key] = first_seq

    def answered(self, key: RequestId) -> None:
        """Note that an utterance's outcome was delivered, or is kept until it can be."""
        if self._unanswered.pop(key, None) is not None:
            self._has_moved = True

    def stored(self, end_seq: int) -> None:
        """The store knows what was cut up to here."""
        if end_seq > self._stored_seq:
            self._stored_seq = end_seq
            self._has_moved = True

    def acknowledge(self, now_ms: float) -> int | None:
        """Return the `seq` before which all is settled, if the client has to hear of it now.

        What the store does not know is not settled: the client would forget audio that another
        instance had to ask for.
        """
        if not self._has_moved or now_ms < self._told_at_ms + self._interval_ms - _ROUNDING_MS:
            return None
        self._has_moved = False
        settled_seq = self._settled_seq()
        self.lags = settled_seq > self._stored_seq
        settled_seq = min(settled_seq, self._stored_seq)
        if settled_seq <= self._told_seq:
            return None
        self._told_seq = settled_seq
        self._told_at_ms = now_ms
        return settled_seq

    def _settled_seq(self) -> int:
        """Return the first `seq` that is not settled.

        A gap right below audio that waits is not settled either: it may be on its way, overtaken.
        """
        waiting = min(self._unanswered.values(), default=None)
        if self._segment_seq is not None:
            waiting = self._segment_seq if waiting is None else min(waiting, self._segment_seq)
        settled = self._taken.end if waiting is None else self._taken.gap_below(waiting)
        return self.streams.begin_of(settled)


class StreamBegins:
    """Which streams can only be read from their begin: the first and last `seq` of each."""

    __slots__ = ("runs",)

    def __init__(self, runs: Iterable[tuple[int, int]] = ()) -> None:
        self.runs = list(runs)
        """The last `seq` is -1 of one that goes on."""

    def __repr__(self) -> str:
        return f"<StreamBegins {self.runs}>"

    def note(self, seq: int, *, needs_begin: bool) -> None:
        """Note that such a stream goes on with this `seq`, or ended with it, if there was one."""
        runs = self.runs
        is_open = bool(runs) and runs[-1][1] < 0
        if needs_begin and not is_open:
            runs.append((seq, -1))
        elif is_open and not needs_begin:
            runs[-1] = (runs[-1][0], seq)

    def begin_of(self, seq: int) -> int:
        """Return where one has to begin who wants to hear on from this `seq`."""
        if not self.runs:
            return seq
        self.runs = [run for run in self.runs if run[1] < 0 or run[1] >= seq]
        return min([seq, *(first for first, _ in self.runs if first < seq)])


LULL_MS = 2_000.0
"""A client that sends nothing for so long has nothing left to send again."""


LIVE_CHUNKS = 3
"""One that comes late by itself, because a machine is busy, says nothing."""


class CatchUp:
    """Begins with a resume; ends when as much audio has come as time has passed, or with a lull.

    Where nobody knows when the client was heard last, because another instance heard it, it ends
    when some chunks in a row have come about as long after the one before as that one lasts.

    All times are monotonic ms; `heard_ms` is the length of all audio of the session so far.
    """

    __slots__ = (
        "_behind_at_ms",
        "_chunk_at_ms",
        "_heard_before_ms",
        "_heard_ms",
        "_is_on",
        "_live_chunks",
        "_was_elsewhere",
    )

    def __init__(self, *, was_elsewhere: bool = False) -> None:
        self._was_elsewhere = was_elsewhere
        self._live_chunks = 0
        self._is_on = False
        self._chunk_at_ms: float | None = None
        """When the latest chunk came."""
        self._behind_at_ms = 0.0
        """What the client has recorded since then may not have arrived."""
        self._heard_ms = 0.0
        self._heard_before_ms = 0.0
        """What had come before the latest chunk."""

    def __repr__(self) -> str:
        return f"<CatchUp {'on' if self._is_on else 'off'}>"

    def begin(self, heard_ms: float, now_ms: float) -> None:
        """The client is back."""
        self._is_on = True
        self._heard_ms = heard_ms
        self._behind_at_ms = -inf if self._chunk_at_ms is None else self._chunk_at_ms
        self._chunk_at_ms = now_ms

    def chunk(self, heard_ms: float, now_ms: float) -> bool:
        """Note that a chunk came after so much audio; tell whether it is one sent late."""
        if self._is_on and self._chunk_at_ms is not None:
            since_ms = now_ms - self._chunk_at_ms
            if self._was_elsewhere and self._behind_at_ms == -inf:
                caught_up = self._comes_live(heard_ms - self._heard_before_ms, since_ms)
            else:
                caught_up = heard_ms - self._heard_ms >= now_ms - self._behind_at_ms
            self._is_on = not caught_up and since_ms < LULL_MS
        self._chunk_at_ms = now_ms
        self._heard_before_ms = heard_ms
        return self._is_on

    def _comes_live(self, lasted_ms: float, since_ms: float) -> bool:
        """Count chunks at the pace of speech; the first one follows none."""
        is_live = 0 < lasted_ms <= 2 * since_ms
        self._live_chunks = self._live_chunks + 1 if is_live else 0
        return self._live_chunks >= LIVE_CHUNKS
