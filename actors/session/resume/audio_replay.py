"""AudioReplay: audio that is sent again to an instance which knows only where it was cut. Pure.

The former owner cut some of it already: what it cut belongs to utterances that keep their index
and their job, so the boundaries decide here, not the segmenter, and time decides nothing. What
was never cut is none of its business.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class _Span:
    """The audio of one utterance; with `wanted` it is collected, else it is only passed over."""

    index: int
    first_seq: int
    last_seq: int
    wanted: bool
    pieces: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Restored:
    """The audio of an utterance is here, as it was cut."""

    utterance_index: int
    audio: bytes


class AudioReplay:
    """The cuts whose audio may come again.

    Chunks of one cut come in the order in which they came the first time; the one with its last
    `seq` completes it. A chunk comes once: who tells of it has seen to that.
    """

    def __init__(self, end_seq: int) -> None:
        self._end_seq = end_seq
        self._spans: list[_Span] = []
        """By `seq`; few, and looked at only while audio is sent again."""
        self.held_bytes = 0
        """Bytes collected for cuts that are not complete."""

    def __repr__(self) -> str:
        return f"<AudioReplay before {self._end_seq}, {len(self._spans)} cuts>"

    def add(self, index: int, seqs: tuple[int, int], *, wanted: bool) -> None:
        """Expect the audio of an utterance from its first to its last `seq`."""
        for span in self._spans:
            if span.index == index:
                span.wanted = span.wanted or wanted
                return
        self._spans.append(_Span(index, *seqs, wanted))

    def covers(self, seq: int) -> bool:
        """Tell whether this was cut before, or made nothing: it is not to be cut again."""
        return seq < self._end_seq

    def take(self, seq: int, audio: bytes, *, is_last: bool = True) -> Restored | None:
        """Take a covered chunk or final, or a part of one; return the cut that it completes."""
        for span in self._spans:
            if span.first_seq <= seq <= span.last_seq:
                break
        else:
            return None
        if span.wanted:
            span.pieces.append(audio)
            self.held_bytes += len(audio)
        if seq != span.last_seq or not is_last:
            return None
        self._spans.remove(span)
        self.held_bytes -= sum(map(len, span.pieces))
        return Restored(span.index, b"".join(span.pieces)) if span.wanted else None

    def forget(self, index: int) -> None:
        """This utterance has its outcome: its audio is only passed over."""
        for span in self._spans:
            if span.index == index:
                self.held_bytes -= sum(map(len, span.pieces))
                span.wanted = False
                span.pieces.clear()
