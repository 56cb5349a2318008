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
    """When its last piece of audio had been sent, as far as the client can tell; moves on while it
    is being spoken."""
    began_at_ms: float
    """When its first piece of audio had been sent."""
    heard_at_ms: dict[str, float] = field(default_factory=dict)
    """Event → when it was first heard."""
    partial: AsrPartial | None = None
    """The text so far."""
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
    def marks_ms(self) -> dict[str, float]:
        """Event → when it was first heard, from the end of speech on; before it: below 0."""
        return {name: round(at - self.spoken_at_ms, 1) for name, at in self.heard_at_ms.items()}

    @property
    def first_words_ms(self) -> float | None:
        """From the beginning of the audio to the first text; None if there was none."""
        at_ms = self.heard_at_ms.get(str(UiEventKind.ASR_PARTIAL))
        return None if at_ms is None else round(at_ms - self.began_at_ms, 1)

    @property
    def was_heard_while_spoken(self) -> bool:
        """Whether words came before its end."""
        at_ms = self.heard_at_ms.get(str(UiEventKind.ASR_PARTIAL))
        return at_ms is not None and at_ms < self.spoken_at_ms

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
        self._began_at_ms: float | None = None
        """When the utterance began of which audio was sent last; None: nothing was sent of one."""
        self._sent_at_ms = 0.0
        self._final_at_ms: float | None = None
        self._speaking: UtteranceRecord | None = None
        """What is heard of while it is being spoken."""

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
        if self._began_at_ms is None:
            self._began_at_ms = now_ms
        if self._speaking is not None:
            self._speaking.spoken_at_ms = now_ms

    def final_sent(self, now_ms: float, source: str) -> None:
        """Note that an utterance was ended."""
        if self._began_at_ms is None:
            self._began_at_ms = now_ms
        self._source, self._sent_at_ms = source, now_ms
        if self._speaking is None:
            self._final_at_ms = now_ms
        else:
            self._speaking.spoken_at_ms = now_ms
            self._spoken()

    def observe(self, now_ms: float, message: SessionOutbound) -> UtteranceRecord | None:
        """Take a message; return the utterance it belongs to, None if it belongs to none."""
        match message:
            case UiEvent():
                record = self._record(message.utterance_index)
                self._mark(record, message.event, now_ms)
                if message.event is UiEventKind.ERROR:
                    record.error_codes.append(message.error_code or "")
            case AsrPartial():
                is_spoken = self._final_at_ms is None
                is_first = message.utterance_index not in self._records
                record = self._record(message.utterance_index)
                if is_first and is_spoken:
                    self._speaking = record
                self._mark(record, UiEventKind.ASR_PARTIAL, now_ms)
                record.partial = message
                record.partial_texts.append(message.text)
            case TranslationResult():
                record = self._record(message.utterance_index)
                self._mark(record, RESULT, now_ms)
                record.results.append(message)
                self._ended(record)
            case MissingResult():
                record = self._record(message.utterance_index)
                self._mark(record, RESULT, now_ms)
                record.missing = message.reason
                self._ended(record)
            case _:
                return None
        return record

    def _record(self, index: int) -> UtteranceRecord:
        record = self._records.get(index)
        if record is None:
            began_at_ms = self._sent_at_ms if self._began_at_ms is None else self._began_at_ms
            record = UtteranceRecord(
                index, self._source, self._sent_at_ms, began_at_ms, languages=self._languages
            )
            self._records[index] = record
            if self._final_at_ms is not None:
                self._spoken()
            self._final_at_ms = None
        return record

    def _ended(self, record: UtteranceRecord) -> None:
        """Note an outcome; an utterance that the server cut is not spoken any more."""
        record.outcomes += 1
        if record is self._speaking:
            self._spoken()

    def _spoken(self) -> None:
        """Note that what is sent next belongs to another utterance."""
        self._speaking = None
        self._began_at_ms = None

    @staticmethod
    def _mark(record: UtteranceRecord, name: str, now_ms: float) -> None:
        record.heard_at_ms.setdefault(str(name), now_ms)
