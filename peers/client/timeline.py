"""What became of each utterance of a session, and when: made from what the server says.

Pure: fed with messages and times, read by whoever shows or checks them. Times are milliseconds of
one monotonic clock of the caller.
"""

from dataclasses import dataclass, field

from protocol.errors import MissingReason
from protocol.messages.session_outbound import (
    AsrPartial,
    MissingResult,
    SessionOutbound,
    TranslationResult,
    UiEvent,
    UiEventKind,
)

RESULT = "RESULT"
"""The mark of the outcome, beside those of `ui_event`."""


@dataclass(slots=True)
class UtteranceRecord:
    """One utterance; each outcome is one of `results`, or `missing`, or not there yet."""

    index: int
    source: str
    """What was being said, as the speaker called it."""
    spoken_at_ms: float
    """When its last piece of audio had been sent, as far as the client can tell."""
    marks_ms: dict[str, float] = field(default_factory=dict)
    """Event → when it was first heard, counted from `spoken_at_ms`."""
    partial_texts: list[str] = field(default_factory=list)
    error_codes: list[str] = field(default_factory=list)
    languages: int = 1
    """In so many it is translated."""
    results: list[TranslationResult] = field(default_factory=list)
    """One for each language, as they came."""
    missing: MissingReason | None = None
    """Why there is none, in some language."""
    outcomes: int = 0

    @property
    def result(self) -> TranslationResult | None:
        """Its translation, or the first of several."""
        return self.results[0] if self.results else None

    @property
    def is_over(self) -> bool:
        """Whether the outcome is there, in every language."""
        return self.outcomes >= self.languages

    @property
    def is_complete(self) -> bool:
        """Whether it was translated into every language."""
        return len(self.results) >= self.languages

    @property
    def latency_ms(self) -> float | None:
        """From the end of speech to the outcome."""
        return self.marks_ms.get(RESULT)


class Timeline:
    """All utterances of a session by index, in the order in which they were first heard of.

    Which utterance a piece of speech became is not said on the wire: a new index belongs to what
    was sent last. That holds as long as the server answers faster than the speaker goes on.
    """

    def __init__(self, languages: int = 1) -> None:
        self._languages = languages
        """In so many each utterance is translated."""
        self._records: dict[int, UtteranceRecord] = {}
        self._source = ""
        self._sent_at_ms = 0.0
        self._final_at_ms: float | None = None

    @property
    def utterances(self) -> list[UtteranceRecord]:
        """Every utterance so far, in the order of cuts."""
        return [self._records[index] for index in sorted(self._records)]

    @property
    def open_utterances(self) -> list[UtteranceRecord]:
        """Those without an outcome."""
        return [record for record in self.utterances if not record.is_over]

    @property
    def unheard_since_ms(self) -> float | None:
        """When an utterance was ended of which nothing has been heard yet; None if all were."""
        return self._final_at_ms

    def audio_sent(self, now_ms: float, source: str) -> None:
        """Note that a piece of speech went out."""
        self._source, self._sent_at_ms = source, now_ms

    def final_sent(self, now_ms: float, source: str) -> None:
        """Note that an utterance was ended."""
        self._source, self._sent_at_ms = source, now_ms
        self._final_at_ms = now_ms

    def observe(self, now_ms: float, message: SessionOutbound) -> UtteranceRecord | None:
        """Take a message; return the utterance it belongs to, None if it belongs to none."""
        match message:
            case UiEvent():
                record = self._record(message.utterance_index)
                self._mark(record, message.event, now_ms)
                if message.event is UiEventKind.ERROR:
                    record.error_codes.append(message.error_code or "")
            case AsrPartial():
                record = self._record(message.utterance_index)
                self._mark(record, UiEventKind.ASR_PARTIAL, now_ms)
                record.partial_texts.append(message.text)
            case TranslationResult():
                record = self._record(message.utterance_index)
                self._mark(record, RESULT, now_ms)
                record.results.append(message)
                record.outcomes += 1
            case MissingResult():
                record = self._record(message.utterance_index)
                self._mark(record, RESULT, now_ms)
                record.missing = message.reason
                record.outcomes += 1
            case _:
                return None
        return record

    def _record(self, index: int) -> UtteranceRecord:
        record = self._records.get(index)
        if record is None:
            record = UtteranceRecord(
                index, self._source, self._sent_at_ms, languages=self._languages
            )
            self._records[index] = record
            self._final_at_ms = None
        return record

    @staticmethod
    def _mark(record: UtteranceRecord, name: str, now_ms: float) -> None:
        record.marks_ms.setdefault(str(name), round(now_ms - record.spoken_at_ms, 1))
