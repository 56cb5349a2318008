"""The timeline of utterances, fed by hand."""

from peers.client.timeline import Timeline
from protocol.errors import MissingReason
from protocol.ids import SessionId
from protocol.messages.session_outbound import (
    AsrPartial,
    MissingResult,
    ServerHeartbeat,
    TranslationResult,
    UiEvent,
    UiEventKind,
)

SESSION = SessionId("s-1")


def event(index: int, kind: UiEventKind, error_code: str | None = None) -> UiEvent:
    return UiEvent(
        trace_id="t",
        session_id=SESSION,
        job_id="job",
        utterance_index=index,
        event=kind,
        error_code=error_code,
    )


def partial(index: int, text: str) -> AsrPartial:
    return AsrPartial(session_id=SESSION, utterance_index=index, text=text, is_final=False)


def result(index: int) -> TranslationResult:
    return TranslationResult(session_id=SESSION, utterance_index=index, job_id="job")


def test_marks_are_counted_from_the_end_of_speech() -> None:
    timeline = Timeline()
    timeline.audio_sent(900, "file")
    timeline.final_sent(1000, "file")
    assert timeline.unheard_since_ms == 1000
    timeline.observe(1005, event(0, UiEventKind.DISPATCHED))
    assert timeline.unheard_since_ms is None
    timeline.observe(1010, event(0, UiEventKind.NODE_ACCEPTED))
    timeline.observe(
        1400, AsrPartial(session_id=SESSION, utterance_index=0, text="he", is_final=False)
    )
    timeline.observe(
        1500, AsrPartial(session_id=SESSION, utterance_index=0, text="he w", is_final=False)
    )
    assert [record.index for record in timeline.open_utterances] == [0]
    timeline.observe(2000, result(0))
    (record,) = timeline.utterances
    assert record.source == "file"
    assert record.marks_ms == {
        "DISPATCHED": 5,
        "NODE_ACCEPTED": 10,
        "ASR_PARTIAL": 400,
        "RESULT": 1000,
    }
    assert record.partial_texts == ["he", "he w"]
    assert record.latency_ms == 1000
    assert not timeline.open_utterances


def test_utterances_stand_in_the_order_of_cuts_each_with_its_source() -> None:
    timeline = Timeline()
    timeline.final_sent(0, "one")
    timeline.observe(1, event(0, UiEventKind.DISPATCHED))
    timeline.final_sent(700, "two")
    timeline.observe(701, event(1, UiEventKind.QUEUED))
    timeline.observe(900, result(1))
    timeline.observe(901, result(0))
    assert [(r.index, r.source, r.latency_ms) for r in timeline.utterances] == [
        (0, "one", 901),
        (1, "two", 200),
    ]


def test_a_missing_result_is_an_outcome_with_its_reason() -> None:
    timeline = Timeline()
    timeline.final_sent(0, "")
    timeline.observe(5, event(0, UiEventKind.ERROR, "JOB_TIMEOUT"))
    timeline.observe(
        6,
        MissingResult(
            session_id=SESSION,
            utterance_index=0,
            reason=MissingReason.JOB_TIMEOUT,
            created_at_ms=0,
        ),
    )
    (record,) = timeline.utterances
    assert record.is_over
    assert (record.missing, record.error_codes) == (MissingReason.JOB_TIMEOUT, ["JOB_TIMEOUT"])


def test_what_belongs_to_no_utterance_changes_nothing() -> None:
    timeline = Timeline()
    assert timeline.observe(1, ServerHeartbeat(session_id=SESSION, timestamp=1)) is None
    assert timeline.utterances == []


def test_words_that_come_while_somebody_speaks_count_from_the_beginning_of_speech() -> None:
    timeline = Timeline()
    timeline.audio_sent(1000, "file")
    timeline.audio_sent(1500, "file")
    timeline.observe(1800, partial(0, "he"))
    timeline.audio_sent(2000, "file")
    timeline.observe(2300, partial(0, "he was"))
    timeline.audio_sent(3000, "file")
    timeline.final_sent(3100, "file")
    assert timeline.unheard_since_ms is None
    timeline.observe(3300, result(0))
    timeline.audio_sent(4000, "more")
    timeline.observe(4900, partial(1, "not"))
    first, second = timeline.utterances
    assert (first.first_words_ms, first.latency_ms) == (800, 200)
    assert first.partial is not None
    assert first.partial.text == "he was"
    assert (second.source, second.first_words_ms, second.spoken_at_ms) == ("more", 900, 4000)


def test_an_utterance_that_the_server_cuts_is_spoken_until_its_outcome() -> None:
    timeline = Timeline()
    timeline.audio_sent(0, "file")
    timeline.observe(700, partial(0, "he"))
    timeline.audio_sent(1000, "file")
    timeline.observe(1100, result(0))
    timeline.audio_sent(2000, "file")
    timeline.observe(2600, partial(1, "was"))
    first, second = timeline.utterances
    assert (first.latency_ms, first.spoken_at_ms) == (100, 1000)
    assert second.first_words_ms == 600


def test_who_says_nothing_before_the_end_has_no_first_words() -> None:
    timeline = Timeline()
    timeline.audio_sent(0, "")
    timeline.final_sent(10, "")
    timeline.observe(20, result(0))
    assert timeline.utterances[0].first_words_ms is None
