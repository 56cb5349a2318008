"""Whatever happens in whatever order: one outcome per utterance, and no audio byte stays."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger

from actors.messages.job import (
    JobDispatched,
    JobQueued,
    PartialArrived,
    ResultReplaced,
    UtteranceCut,
    UtteranceWanted,
)
from actors.messages.process import DispatcherRestarted, StoreEmptied
from actors.messages.session import ClientBeat, PlaybackEnded, PlaybackStarted, SocketAttached
from actors.session.options import SegmenterOptions
from protocol.errors import MissingReason
from protocol.ids import NodeId, NodeJobId
from protocol.messages.node_inbound import JobResult
from protocol.messages.session_outbound import (
    ErrorMessage,
    MissingResult,
    SessionCloseAck,
    TranslationResult,
)
from storage.job import JobState
from tests.actors.support.session_bench import FLUSH_MS, SessionBench
from tests.support.recording import RecordingOutbox

Action = Callable[[SessionBench], object]
OPTIONS = SegmenterOptions(max_duration_ms=1_000, max_turn_ms=3_000, pause_ms=700)
FULL = JobResult(job_id=NodeJobId("x"), success=True, text_asr="full", text_translated="full")


def about_a_job(pick: int, tell: Callable[[SessionBench, UtteranceCut], object]) -> Action:
    """Say something about one of the latest jobs, or about none if there is none yet."""

    def act(bench: SessionBench) -> None:
        if cuts := bench.cuts()[-8:]:
            tell(bench, cuts[pick % len(cuts)])

    return act


def jobs(tell: Callable[[SessionBench, UtteranceCut], object]) -> st.SearchStrategy[Action]:
    return st.integers(0, 7).map(lambda pick: about_a_job(pick, tell))


def always(act: Action) -> st.SearchStrategy[Action]:
    return st.just(act)


WORDS: list[st.SearchStrategy[Action]] = [
    st.tuples(st.sampled_from([20, 100, 300, 1_100]), st.booleans(), st.sampled_from([0, 9000]))
    .map(lambda said: lambda bench: bench.chunk(said[0], final=said[1], sample=said[2])),
    always(SessionBench.final),
    st.sampled_from([1, 30, 60, 400, 800, 5_000, 20_000]).map(lambda ms: lambda b: b.wait(ms)),
    st.tuples(st.integers(0, 12), st.booleans(), st.sampled_from([100, 1_200])).map(
        lambda said: lambda bench: bench.utterance(said[0], said[2], manual_cut=said[1])
    ),
    always(lambda bench: bench.tell(PlaybackStarted("g"))),
    always(lambda bench: bench.tell(PlaybackEnded("g"))),
    always(lambda bench: bench.tell(ClientBeat(last_delivery_seq=2))),
]  # fmt: skip
NEWS: list[st.SearchStrategy[Action]] = [
    jobs(lambda bench, cut: bench.answer(cut)),
    jobs(lambda bench, cut: bench.answer_nothing(cut)),
    jobs(lambda bench, cut: bench.tell(ResultReplaced(cut.spec.job_id, FULL))),
    jobs(lambda bench, cut: bench.end(cut, MissingReason.MERGED, JobState.EMPTY)),
    jobs(lambda bench, cut: bench.end(cut)),
    jobs(lambda bench, cut: bench.tell(JobDispatched(cut.spec.job_id, 1, NodeId("n")))),
    jobs(lambda bench, cut: bench.tell(UtteranceWanted(cut.spec.job_id, 2))),
    jobs(lambda bench, cut: bench.tell(JobQueued(cut.spec.job_id, 5))),
    jobs(lambda b, cut: b.tell(PartialArrived(cut.spec.job_id, 1, "so", is_final=False))),
    always(lambda bench: bench.tell(StoreEmptied(), DispatcherRestarted())),
]
SOCKETS: list[st.SearchStrategy[Action]] = [
    always(SessionBench.lose_socket),
    always(lambda bench: bench.tell(SocketAttached(RecordingOutbox()))),
]


@st.composite
def sessions(draw: st.DrawFn) -> SessionBench:
    return SessionBench(
        segmenter=OPTIONS,
        keep_audio=draw(st.booleans()),
        max_held_bytes=draw(st.sampled_from([1 << 30, 60_000])),
    )


def run_to_its_end(bench: SessionBench, actions: list[Action]) -> None:
    for act in actions:
        if bench.is_over:
            break
        act(bench)
    bench.close()
    bench.wait(FLUSH_MS)
    assert bench.is_over
    assert bench.held.held_bytes == 0
    assert bench.directory.sessions == {}
    assert bench.presence.attached == bench.presence.detached == 0


def _is_missing(record: Any) -> bool:
    return bool(record["message"] == "utterance ends without a translation")


@settings(max_examples=150)
@given(bench=sessions(), actions=st.lists(st.one_of(*WORDS, *NEWS), min_size=20, max_size=60))
def test_every_utterance_has_one_outcome(bench: SessionBench, actions: list[Action]) -> None:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(line.record["extra"]["job_id"]), filter=_is_missing)
    run_to_its_end(bench, actions)
    logger.remove(sink)
    first_sent: dict[int, TranslationResult | MissingResult] = {}
    for message in bench.outbox.messages:
        if isinstance(message, TranslationResult | MissingResult):
            assert message.delivery_seq is not None
            said_before = first_sent.setdefault(message.delivery_seq, message)
            assert said_before == message  # only what was repeated comes twice, as it was
    assert list(first_sent) == list(range(1, len(first_sent) + 1))
    outcomes = {message.utterance_index: message for message in first_sent.values()}
    assert len(outcomes) == len(first_sent)
    places: dict[int, int] = {}
    for place, cut in enumerate(bench.cuts()):
        places.setdefault(cut.spec.utterance_index, place)
    assert set(places) <= set(outcomes)
    for index in set(outcomes) - set(places):
        refused = outcomes[index]
        assert isinstance(refused, MissingResult)
        assert refused.reason is MissingReason.QUEUE_FULL
    in_time = [places[index] for index, one in outcomes.items() if index in places and not one.late]
    assert in_time == sorted(in_time)
    assert len(bench.outbox.of(SessionCloseAck)) == 1
    missing = [one for one in outcomes.values() if isinstance(one, MissingResult)]
    untold = [one for one in missing if one.reason is not MissingReason.MERGED]
    assert len(lines) == len(set(lines)), "an utterance left two lines"
    assert len(lines) >= len(untold)  # an empty outcome may have been replaced since


@settings(max_examples=80)
@given(
    bench=sessions(), actions=st.lists(st.one_of(*WORDS, *NEWS, *SOCKETS), min_size=20, max_size=60)
)
def test_sockets_that_come_and_go_leave_nothing(bench: SessionBench, actions: list[Action]) -> None:
    run_to_its_end(bench, actions)
    assert all(error.code == "INVALID_MESSAGE" for error in bench.outbox.of(ErrorMessage))
