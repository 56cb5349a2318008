"""One speaker: what it hears first, what is made of its words, and their one outcome each."""

from typing import Any

import pytest

from actors.messages.job import (
    AudioSupplied,
    EndJob,
    JobDispatched,
    JobProgressed,
    JobQueued,
    PartialArrived,
    UtteranceCut,
    UtteranceWanted,
)
from actors.messages.process import DispatcherRestarted, StoreEmptied
from actors.messages.session import (
    ChunkArrived,
    ClientBeat,
    PlaybackEnded,
    PlaybackStarted,
    SessionClaimed,
    SessionOpened,
)
from protocol.audio.framing import AudioFormat
from protocol.errors import MissingReason
from protocol.ids import JobId, NodeId
from protocol.messages.session_outbound import (
    AsrPartial,
    ErrorMessage,
    ServerHeartbeat,
    SessionInitAck,
    TranslationResult,
    UiEvent,
    UiEventKind,
)
from storage.job import JobState
from tests.actors.support.session_bench import SID, SessionBench
from tests.actors.support.speaker import pcm


@pytest.fixture
def bench() -> SessionBench:
    return SessionBench()


def events(bench: SessionBench) -> list[UiEventKind]:
    return [event.event for event in bench.outbox.of(UiEvent)]


# ---- the beginning --------------------------------------------------------------------------


def test_the_ack_is_the_first_thing_a_client_hears(bench: SessionBench) -> None:
    bench.tell(ChunkArrived(b"OggS", 0, is_final=False))  # refused
    ack, refusal = bench.outbox.messages
    assert isinstance(ack, SessionInitAck)
    assert isinstance(refusal, ErrorMessage)
    assert (ack.session_id, ack.trace_id, ack.use_binary_frame) == (SID, "trace", False)


def test_the_dispatcher_knows_the_session_before_its_words(bench: SessionBench) -> None:
    bench.speak()
    assert [type(told) for told in bench.dispatcher.messages] == [SessionOpened, UtteranceCut]
    assert bench.presence.attached == 1


def test_a_session_that_the_store_lost_is_opened_again(bench: SessionBench) -> None:
    bench.tell(StoreEmptied(), SessionClaimed(9))
    assert len(bench.dispatcher.of(SessionOpened)) == 2
    assert bench.speak().spec.session_epoch == 9


# ---- words ----------------------------------------------------------------------------------


def test_a_final_makes_an_utterance_after_the_hangover(bench: SessionBench) -> None:
    bench.chunk()
    bench.final()
    assert bench.cuts() == []
    bench.wait(60)
    [cut] = bench.cuts()
    assert (cut.spec.utterance_index, cut.audio) == (0, pcm(256))
    assert cut.spec.request_id == f"{SID}:0:es"
    assert (cut.spec.requirement, cut.spec.preference) == (
        "a:en,f:pcm16,s:es",
        "t:es,a.en,s.es t:es",
    )
    assert (cut.work.is_manual_cut, cut.work.padding_ms) == (True, 280)


def test_a_chunk_overtaken_by_its_final_joins_the_segment(bench: SessionBench) -> None:
    bench.chunk()
    bench.final()
    bench.wait(30)
    bench.chunk()
    bench.wait(30)
    assert [len(cut.audio) for cut in bench.cuts()] == [len(pcm(512))]


def test_a_pause_makes_an_utterance(bench: SessionBench) -> None:
    bench.chunk()
    bench.wait(2_999)
    assert bench.cuts() == []
    bench.wait(1)
    [cut] = bench.cuts()
    assert (cut.work.cut_reason, cut.work.is_manual_cut) == ("pause", True)


def test_ten_seconds_make_a_segment_of_a_turn_that_goes_on(bench: SessionBench) -> None:
    for _ in range(21):
        bench.chunk(500)
    bench.final()
    bench.wait(60)
    first, last = bench.cuts()
    assert first.work.is_max_duration_triggered
    assert (first.spec.turn_continues, last.spec.turn_continues) == (True, False)
    assert first.spec.turn_id == last.spec.turn_id
    assert (first.spec.turn_part, last.spec.turn_part) == (0, 1)


def test_spurious_finals_make_nothing_and_take_no_index(bench: SessionBench) -> None:
    """A browser ends every 256 ms of silence after a pause with a final of its own."""
    bench.speak()
    for _ in range(7):
        bench.chunk(256, sample=0)
        bench.final()
        bench.wait(200)
    assert bench.speak().spec.utterance_index == 1
    assert len(bench.cuts()) == 2


def test_playback_is_no_pause(bench: SessionBench) -> None:
    bench.chunk()
    bench.tell(PlaybackStarted("group"))
    bench.wait(20_000)
    assert bench.cuts() == []
    bench.tell(PlaybackEnded("group"))
    bench.wait(3_000)
    assert len(bench.cuts()) == 1


def test_the_travel_time_of_the_last_chunk_goes_with_the_result(bench: SessionBench) -> None:
    sent_at = 1_800_000_000_000 + 1000 - 40
    bench.tell(ChunkArrived(pcm(500), 0, is_final=True, client_timestamp_ms=sent_at))
    bench.wait(60)
    bench.answer(bench.cuts()[0])
    timings = bench.outbox.of(TranslationResult)[0].network_timings
    assert timings is not None
    assert timings.web_to_scheduler_ms == 40


# ---- whole utterances -----------------------------------------------------------------------


def test_a_whole_utterance_brings_its_own_index_language_and_pipeline(bench: SessionBench) -> None:
    bench.utterance(7, src_lang="de", tgt_lang="fr", dialect="at")
    [cut] = bench.cuts()
    assert (cut.spec.utterance_index, cut.spec.source, cut.spec.language) == (7, "de", "fr")
    assert (cut.work.dialect, cut.work.is_manual_cut) == ("at", True)
    assert bench.speak().spec.utterance_index == 8


def test_an_index_that_a_server_cut_has_is_refused(bench: SessionBench) -> None:
    bench.speak()
    bench.utterance(0)
    assert bench.outbox.of(ErrorMessage)[0].code == "INVALID_MESSAGE"
    assert len(bench.cuts()) == 1


def test_a_repeated_index_makes_no_second_job(bench: SessionBench) -> None:
    bench.utterance(0)
    bench.utterance(0)
    [cut] = bench.cuts()
    assert bench.outcomes() == []
    bench.answer(cut)
    bench.utterance(0)
    first, second = bench.outbox.of(TranslationResult)
    assert first == second
    assert first.delivery_seq == 1


def test_a_repeated_index_whose_outcome_is_forgotten_is_answered(bench: SessionBench) -> None:
    bench.utterance(0)
    bench.answer(bench.cuts()[0])
    bench.tell(ClientBeat(last_delivery_seq=1))
    bench.utterance(0)
    assert len(bench.outbox.of(TranslationResult)) == 1
    assert bench.outbox.of(ErrorMessage)[0].code == "INVALID_MESSAGE"


def test_tiny_utterances_are_chunks_of_a_stream(bench: SessionBench) -> None:
    for index in range(10):
        bench.utterance(index, 200, manual_cut=False)
    assert bench.cuts() == []
    bench.wait(3_000)
    [cut] = bench.cuts()
    assert len(cut.audio) == len(pcm(2_000))


def test_short_utterances_of_the_gateway_are_whole() -> None:
    bench = SessionBench(platform="api-gateway")
    bench.utterance(0, 200, manual_cut=False)
    assert len(bench.cuts()) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"audio": b""}, {"audio": b"\x01"}, {"audio": b"abc", "audio_format": AudioFormat.OPUS}],
)
def test_an_utterance_that_cannot_be_used_is_refused(
    bench: SessionBench, wrong: dict[str, Any]
) -> None:
    bench.utterance(0, **wrong)
    assert bench.outbox.of(ErrorMessage)[0].code == "INVALID_MESSAGE"
    assert bench.held.held_bytes == 0
    bench.utterance(0)  # the index was not taken by it
    assert len(bench.cuts()) == 1


# ---- progress -------------------------------------------------------------------------------


def test_the_client_sees_how_far_its_words_have_come(bench: SessionBench) -> None:
    cut = bench.speak()
    job_id = cut.spec.job_id
    bench.tell(
        JobQueued(job_id, 700),
        JobDispatched(job_id, 1, NodeId("n")),
        JobProgressed(job_id, NodeId("n")),
        PartialArrived(job_id, 1, "hel", is_final=False),
    )
    bench.answer(cut)
    assert [event.value for event in events(bench)] == [
        "QUEUED",
        "DISPATCHED",
        "NODE_ACCEPTED",
        "ASR_PARTIAL",
        "ASR_FINAL",
        "NMT_DONE",
    ]
    assert bench.outbox.of(UiEvent)[0].wait_ms_estimate == 700
    assert bench.outbox.of(AsrPartial)[0].text == "hel"


def test_who_waits_hears_that_no_node_is_there(bench: SessionBench) -> None:
    cut = bench.speak()
    bench.directory.abilities.found(set())
    bench.tell(JobQueued(cut.spec.job_id, 700))
    (event,) = bench.outbox.of(UiEvent)
    assert (event.event, event.wait_ms_estimate, event.reason) == ("QUEUED", None, "no_node")


def test_progress_of_closed_words_is_not_shown(bench: SessionBench) -> None:
    cut = bench.speak()
    bench.answer(cut)
    bench.outbox.take()
    job_id = cut.spec.job_id
    bench.tell(JobQueued(job_id, 1), PartialArrived(job_id, 1, "late", is_final=False))
    bench.tell(JobDispatched(job_id, 2, NodeId("n")), JobProgressed(job_id, NodeId("n")))
    assert bench.outbox.messages == []


def test_a_heartbeat_is_answered_at_once(bench: SessionBench) -> None:
    bench.tell(ClientBeat())
    assert bench.outbox.of(ServerHeartbeat)[0].session_id == SID


# ---- audio ----------------------------------------------------------------------------------


def test_audio_is_held_until_the_outcome(bench: SessionBench) -> None:
    cut = bench.speak()
    assert bench.held.held_bytes == len(cut.audio)
    bench.tell(JobDispatched(cut.spec.job_id, 1, NodeId("n")))
    bench.tell(UtteranceWanted(cut.spec.job_id, 2))
    again = bench.dispatcher.only(AudioSupplied)
    assert (again.attempt, again.audio) == (2, cut.audio)
    bench.answer(cut)
    assert bench.held.held_bytes == 0


def test_audio_may_be_let_go_of_once_it_was_sent() -> None:
    bench = SessionBench(keep_audio=False)
    cut = bench.speak()
    bench.tell(UtteranceWanted(cut.spec.job_id, 1))
    assert bench.dispatcher.only(AudioSupplied).audio == cut.audio
    bench.tell(JobDispatched(cut.spec.job_id, 1, NodeId("n")))
    assert bench.held.held_bytes == 0
    bench.tell(UtteranceWanted(cut.spec.job_id, 2))
    end = bench.dispatcher.only(EndJob)
    assert (end.state, end.reason) == (JobState.FAILED, MissingReason.NODE_LOST)
    assert len(bench.dispatcher.of(AudioSupplied)) == 1


def test_a_refused_job_whose_audio_was_let_go_of_ends_as_what_its_node_answered() -> None:
    bench = SessionBench(keep_audio=False)
    cut = bench.speak()
    bench.tell(JobDispatched(cut.spec.job_id, 1, NodeId("n")))
    bench.tell(UtteranceWanted(cut.spec.job_id, 2, MissingReason.PROCESSING_ERROR))
    assert bench.dispatcher.only(EndJob).reason is MissingReason.PROCESSING_ERROR


def test_audio_wanted_for_closed_words_is_refused(bench: SessionBench) -> None:
    bench.tell(UtteranceWanted(JobId("unknown"), 2))
    assert bench.dispatcher.only(EndJob).state is JobState.CANCELLED


def test_beyond_the_bound_of_held_audio_words_end_as_queue_full() -> None:
    bench = SessionBench(max_held_bytes=len(pcm(1_000)))
    first = bench.speak(900)
    bench.chunk(500)
    bench.final()
    bench.wait(60)
    assert len(bench.cuts()) == 1
    bench.answer(first)
    assert bench.outcomes() == [(0, "hello"), (1, "queue_full")]
    assert bench.held.held_bytes == 0
    bench.speak(500)
    assert len(bench.cuts()) == 2


def test_what_is_open_is_told_to_another_dispatcher_in_order(bench: SessionBench) -> None:
    one, two, three = bench.speak(), bench.speak(), bench.speak()
    bench.answer(two)
    bench.dispatcher.take()
    bench.tell(DispatcherRestarted())
    opened, *again = bench.dispatcher.messages
    assert isinstance(opened, SessionOpened)
    assert [cut.spec.job_id for cut in again] == [one.spec.job_id, three.spec.job_id]


def test_a_message_that_nobody_sends_is_a_bug(bench: SessionBench) -> None:
    with pytest.raises(AssertionError, match="'hello'"):
        bench.tell("hello")
