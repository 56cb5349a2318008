"""One node: its registration, its silence, its sockets, its jobs and the ids it knows them by."""

from typing import Any

import pytest

from actors.directory import Directory
from actors.messages.job import (
    AssignJob,
    JobAccepted,
    JobUndelivered,
    PartialArrived,
    ResultArrived,
    WithdrawJob,
    Work,
)
from actors.messages.node import (
    NodeAccepted,
    NodeArrived,
    NodeBeat,
    NodeChanged,
    NodeHeartbeatArrived,
    NodeLost,
    NodeMessageArrived,
    NodeRegistering,
    NodeSocketLost,
    NodeUnknown,
)
from actors.messages.process import DispatcherRestarted, StoreEmptied
from actors.node.actor import NodeActor
from actors.node.options import NodeOptions
from protocol.audio.framing import AudioFormat
from protocol.ids import (
    JobId,
    NodeId,
    NodeJobId,
    SessionId,
    TraceId,
    TurnId,
    node_session_id,
    request_id,
)
from protocol.messages.node_inbound import (
    JobAck,
    JobResult,
    JobStarted,
    LanguageCapabilities,
    NodeAsrPartial,
    NodeError,
    NodeHeartbeat,
    NodeRegister,
    ResourceUsage,
)
from protocol.messages.node_outbound import JobAssign, JobCancel, NodeRegisterAck
from protocol.messages.shared import FULL_PIPELINE
from storage.job import JobSpec
from tests.support.recording import HandClock, RecordingOutbox, RecordingRef

SILENCE_MS = 45_000
NAME = node_session_id(SessionId("s"))
"""What a node calls session `s`."""
ENGLISH_SPANISH = LanguageCapabilities(asr_languages=("en",), semantic_languages=("es",))


class Bench:
    """One node's actor between recorders."""

    def __init__(self) -> None:
        self.clock = HandClock(1000.0)
        self.directory = Directory()
        self.dispatcher = RecordingRef("dispatcher")
        self.directory.dispatcher = self.dispatcher
        self.session = RecordingRef("session")
        self.outbox = RecordingOutbox()
        self.node = self.clock.hold(NodeActor(NodeId("n"), self.directory, NodeOptions()))
        self.directory.register_node(NodeId("n"), self.node.actor_ref)

    def tell(self, *messages: Any) -> None:
        for message in messages:
            self.node.on_receive(message)

    def register(self, outbox: RecordingOutbox | None = None, **fields: Any) -> None:
        """Let the node register, without an answer of the store."""
        message = NodeRegister(language_capabilities=ENGLISH_SPANISH, **fields)
        self.tell(NodeRegistering(message, outbox or self.outbox))

    def online(self, epoch: int = 1) -> "Bench":
        """Let the node register and be accepted."""
        self.register()
        self.tell(NodeAccepted(epoch))
        self.dispatcher.take()
        self.outbox.take()
        return self

    def beat(self, languages: LanguageCapabilities | None = None, **usage: Any) -> None:
        beat = NodeHeartbeat(
            node_id=NodeId("n"),
            resource_usage=ResourceUsage(**usage),
            language_capabilities=languages,
        )
        self.tell(NodeHeartbeatArrived(beat))

    def assign(self, index: int = 0, attempt: int = 1, **changes: Any) -> None:
        self.tell(assignment(self.session, index, attempt, **changes))

    def say(self, job_id: str, **fields: Any) -> None:
        """Let the node answer a job."""
        content: dict[str, Any] = {
            "success": True,
            "text_asr": "hello",
            "text_translated": "hola",
        } | fields
        self.tell(NodeMessageArrived(JobResult(job_id=NodeJobId(job_id), **content)))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_node_that_says_too_much_at_once_is_not_read_meanwhile(bench: Bench) -> None:
    inbox = bench.node.actor_inbox
    for number in range(256):
        assert not inbox.is_full
        bench.node.actor_ref.tell(NodeMessageArrived(JobAck(job_id=NodeJobId(f"j{number}"))))
    assert inbox.is_full


def assignment(session: RecordingRef, index: int, attempt: int, **changes: Any) -> AssignJob:
    spec = JobSpec(
        job_id=JobId(f"job-{index}"),
        request_id=request_id(SessionId("s"), index, "es"),
        session_id=SessionId("s"),
        session_epoch=1,
        utterance_index=index,
        language="es",
        source="en",
        requirement="a:en,s:es",
        preference="",
        turn_id="turn",
        turn_part=0,
        turn_continues=changes.pop("turn_continues", False),
        tenant_id="t",
        trace_id="trace",
        cost_ms=1000,
        deadline_in_ms=100_000,
    )
    work = Work(
        source=changes.pop("source", "en"),
        target=changes.pop("target", "es"),
        audio_format=AudioFormat.OPUS,
        sample_rate_hz=16_000,
        padding_ms=280,
        pipeline=changes.pop("pipeline", FULL_PIPELINE),
        trace_id=TraceId("trace"),
        turn_id=TurnId("turn"),
        **changes,
    )
    return AssignJob(session, spec, work, attempt, b"audio", attempt)


# ---- languages ------------------------------------------------------------------------------


def test_a_node_reads_languages_as_it_writes_them(bench: Bench) -> None:
    bench.online()
    bench.beat(LanguageCapabilities(asr_languages=("fr", "en_US"), semantic_languages=("spa",)))
    bench.outbox.take()
    bench.assign()
    [job] = bench.outbox.of(JobAssign)
    assert (job.src_lang, job.tgt_lang) == ("en_US", "spa")


def test_a_node_that_only_recognises_reads_its_own_tag_twice(bench: Bench) -> None:
    bench.online()
    bench.beat(LanguageCapabilities(asr_languages=("en-GB",)))
    bench.outbox.take()
    recognised = FULL_PIPELINE.model_copy(update={"use_nmt": False, "use_tts": False})
    bench.assign(pipeline=recognised, target="en")
    [job] = bench.outbox.of(JobAssign)
    assert (job.src_lang, job.tgt_lang) == ("en-GB", "en-GB")


def test_both_languages_of_a_pair_are_written_as_the_node_does(bench: Bench) -> None:
    bench.online()
    both = ("en-US", "es-419")
    bench.beat(LanguageCapabilities(asr_languages=both, semantic_languages=both))
    bench.outbox.take()
    bench.assign(source="auto", lang_a="en", lang_b="es", auto_langs=("en", "fr"))
    [job] = bench.outbox.of(JobAssign)
    assert (job.src_lang, job.tgt_lang) == ("auto", "es-419")
    assert (job.lang_a, job.lang_b, job.auto_langs) == ("en-US", "es-419", ("en-US", "fr"))


# ---- registration ---------------------------------------------------------------------------


def test_a_node_is_acknowledged_when_the_store_has_it(bench: Bench) -> None:
    bench.register(max_concurrent_jobs=7)
    arrived = bench.dispatcher.only(NodeArrived)
    assert (arrived.node_id, arrived.max_jobs, arrived.languages.asr) == ("n", 7, ("en",))
    assert bench.outbox.messages == []
    bench.tell(NodeAccepted(1))
    [ack] = bench.outbox.of(NodeRegisterAck)
    assert (ack.node_id, ack.error) == ("n", None)


def test_a_node_that_does_not_say_how_much_it_can_take_gets_the_default(bench: Bench) -> None:
    bench.register()
    assert bench.dispatcher.only(NodeArrived).max_jobs == NodeOptions().max_jobs_per_node


def test_a_registration_is_acknowledged_once(bench: Bench) -> None:
    bench.register()
    bench.tell(NodeAccepted(1), StoreEmptied(), NodeAccepted(2))
    assert len(bench.outbox.of(NodeRegisterAck)) == 1
    assert len(bench.dispatcher.of(NodeArrived)) == 2


def test_languages_that_change_while_it_registers_are_told_afterwards(bench: Bench) -> None:
    bench.register()
    german = LanguageCapabilities(asr_languages=("de",), semantic_languages=("es",))
    bench.beat(german)
    assert bench.dispatcher.of(NodeChanged) == []
    bench.tell(NodeAccepted(3))
    changed = bench.dispatcher.only(NodeChanged)
    assert (changed.epoch, changed.languages.asr) == (3, ("de",))


def test_a_heartbeat_says_what_changed_once(bench: Bench) -> None:
    bench.online(epoch=5)
    german = LanguageCapabilities(asr_languages=("de",), semantic_languages=("es",))
    bench.beat(german)
    bench.beat(german)
    bench.beat()
    assert bench.dispatcher.only(NodeChanged).languages.asr == ("de",)
    assert [beat.epoch for beat in bench.dispatcher.of(NodeBeat)] == [5, 5, 5]


@pytest.mark.parametrize(
    ("usage", "overloaded"),
    [
        ({}, False),
        ({"cpu_percent": 95.0, "mem_percent": 94.0, "running_jobs": 9}, False),
        ({"cpu_percent": 95.1}, True),
        ({"gpu_percent": 99.0}, True),
        ({"mem_percent": 96.0}, True),
        ({"gpu_queue_length": 1}, True),
        ({"gpu_queue_length": 0}, False),
    ],
)
def test_a_heartbeat_says_whether_others_are_preferred(
    bench: Bench, usage: dict[str, Any], *, overloaded: bool
) -> None:
    bench.online()
    bench.beat(**usage)
    assert bench.dispatcher.only(NodeBeat).overloaded is overloaded


def test_a_node_that_the_store_forgot_registers_again_by_itself(bench: Bench) -> None:
    bench.online(epoch=4)
    bench.tell(NodeUnknown(3))  # about an earlier registration
    assert bench.dispatcher.of(NodeArrived) == []
    bench.tell(NodeUnknown(4))
    assert len(bench.dispatcher.of(NodeArrived)) == 1
    bench.tell(NodeUnknown(4))  # it is on its way already
    assert len(bench.dispatcher.of(NodeArrived)) == 1


def test_only_a_registration_under_way_is_repeated_for_another_dispatcher(bench: Bench) -> None:
    bench.register()
    bench.tell(DispatcherRestarted())
    assert len(bench.dispatcher.of(NodeArrived)) == 2
    bench.tell(NodeAccepted(1), DispatcherRestarted())
    assert len(bench.dispatcher.of(NodeArrived)) == 2


# ---- silence --------------------------------------------------------------------------------


def test_a_silent_node_is_lost_its_jobs_are_withdrawn_and_its_socket_stays(bench: Bench) -> None:
    bench.online(epoch=6)
    bench.assign()
    bench.clock.advance_to(1000 + SILENCE_MS)
    assert bench.dispatcher.only(NodeLost) == NodeLost(NodeId("n"), 6)
    [cancel] = bench.outbox.of(JobCancel)
    assert cancel.job_id == "job-0"
    assert bench.outbox.closed_with is None
    assert bench.node.open_jobs == 0
    bench.say("job-0")
    assert bench.dispatcher.of(ResultArrived) == []


def test_heartbeats_keep_a_node(bench: Bench) -> None:
    bench.online()
    for second in range(15, 200, 15):
        bench.clock.advance_to(1000 + second * 1000)
        bench.beat()
    assert bench.dispatcher.of(NodeLost) == []


def test_a_silent_node_that_is_heard_again_registers(bench: Bench) -> None:
    bench.online()
    bench.clock.advance_to(1000 + SILENCE_MS)
    bench.dispatcher.take()
    bench.beat()
    assert bench.dispatcher.only(NodeArrived).languages.semantic == ("es",)
    bench.tell(NodeAccepted(2))
    bench.beat()
    assert bench.dispatcher.only(NodeBeat).epoch == 2
    assert bench.outbox.of(NodeRegisterAck) == []


def test_a_job_that_crosses_the_silence_is_given_back(bench: Bench) -> None:
    bench.online()
    bench.clock.advance_to(1000 + SILENCE_MS)
    bench.assign()
    assert bench.dispatcher.only(JobUndelivered).attempt == 1
    assert bench.outbox.of(JobAssign) == []
    assert bench.node.open_jobs == 0


def test_a_node_that_waits_for_its_id_is_not_silent(bench: Bench) -> None:
    """It says nothing before it has it; the store may be away for long."""
    bench.register()
    bench.clock.advance_to(10 * SILENCE_MS)
    assert bench.dispatcher.of(NodeLost) == []
    bench.tell(NodeAccepted(1))
    assert len(bench.outbox.of(NodeRegisterAck)) == 1
    bench.clock.advance_to(11 * SILENCE_MS)
    assert len(bench.dispatcher.of(NodeLost)) == 1


def test_a_node_that_fell_silent_while_it_registered_again_is_lost(bench: Bench) -> None:
    bench.online(epoch=1)
    bench.tell(StoreEmptied())
    bench.clock.advance_to(1000 + SILENCE_MS)
    bench.tell(NodeAccepted(2))
    assert bench.dispatcher.of(NodeLost)[-1].epoch == 2
    bench.beat()
    assert bench.dispatcher.of(NodeBeat) == []
    assert len(bench.dispatcher.of(NodeArrived)) == 2


def test_a_silent_node_is_not_registered_because_the_store_lost_it(bench: Bench) -> None:
    bench.online()
    bench.clock.advance_to(1000 + SILENCE_MS)
    bench.tell(StoreEmptied())
    assert bench.dispatcher.of(NodeArrived) == []


# ---- sockets --------------------------------------------------------------------------------


def test_the_end_of_its_socket_ends_a_node(bench: Bench) -> None:
    bench.online(epoch=8)
    bench.assign()
    bench.tell(NodeSocketLost(bench.outbox))
    assert bench.dispatcher.of(NodeLost) == [NodeLost(NodeId("n"), 8)]
    assert NodeId("n") not in bench.directory.nodes


def test_a_node_that_comes_back_answers_on_its_other_socket(bench: Bench) -> None:
    bench.online()
    bench.assign()
    other = RecordingOutbox()
    bench.register(other)
    bench.clock.advance_to(bench.clock.now_ms + 2_000)  # the first one gives no sign of life
    bench.tell(NodeAccepted(2))
    assert len(other.of(NodeRegisterAck)) == 1
    bench.tell(NodeSocketLost(bench.outbox))  # the late end of the first one
    assert bench.dispatcher.of(NodeLost) == []
    bench.say("job-0")
    assert bench.dispatcher.only(ResultArrived).job_id == "job-0"
    bench.assign(1)
    assert len(other.of(JobAssign)) == 1


def test_a_socket_that_takes_nothing_more_is_as_good_as_lost(bench: Bench) -> None:
    bench.online(epoch=2)
    bench.assign(0)
    bench.outbox.is_open = False
    bench.assign(1)
    sent = [type(message) for message in bench.dispatcher.messages]
    assert sent == [NodeLost, JobUndelivered]
    bench.tell(NodeSocketLost(bench.outbox))
    assert NodeId("n") not in bench.directory.nodes


def test_a_failed_actor_moves_its_jobs_and_leaves_the_socket_open(bench: Bench) -> None:
    """Existing nodes reconnect once in their life; the socket registers again in their name."""
    bench.online(epoch=3)
    bench.node.on_failure(ValueError, ValueError("bug"), None)
    assert bench.dispatcher.only(NodeLost).epoch == 3
    assert NodeId("n") not in bench.directory.nodes
    assert bench.outbox.closed_with is None


# ---- jobs -----------------------------------------------------------------------------------


def test_a_job_is_written_with_all_it_needs(bench: Bench) -> None:
    bench.online()
    bench.assign(4, is_manual_cut=True, dialect="us")
    [job] = bench.outbox.of(JobAssign)
    assert (job.job_id, job.attempt_id, job.session_id) == ("job-4", 1, NAME)
    assert (job.utterance_index, job.turn_id, job.audio) == (4, "turn", b"audio")
    assert (job.src_lang, job.tgt_lang, job.dialect, job.padding_ms) == ("en", "es", "us", 280)
    flags = (job.is_manual_cut, job.is_timeout_triggered, job.is_max_duration_triggered)
    assert flags == (True, None, None)
    assert bench.node.open_jobs == 1


def test_each_attempt_and_language_has_ids_of_its_own(bench: Bench) -> None:
    bench.online()
    bench.assign(0, attempt=1)
    bench.assign(0, attempt=2)
    bench.assign(0, attempt=1, further_language="fr")
    bench.assign(0, attempt=3, further_language="fr")
    sent = [(job.job_id, job.session_id, job.turn_id) for job in bench.outbox.of(JobAssign)]
    assert sent == [
        ("job-0", NAME, "turn"),
        ("job-0~2", f"{NAME}~2", "turn~2"),
        ("job-0#fr", f"{NAME}#fr", "turn"),
        ("job-0#fr~3", f"{NAME}#fr~3", "turn~3"),
    ]


def test_an_assignment_that_is_repeated_is_not_sent_twice(bench: Bench) -> None:
    bench.online()
    bench.assign()
    bench.assign()
    assert len(bench.outbox.of(JobAssign)) == 1
    assert bench.dispatcher.messages == []


def test_an_assignment_that_was_answered_is_not_sent_again(bench: Bench) -> None:
    """A node refuses an id it has seen; where the answer went nobody knows, so others try."""
    bench.online()
    bench.assign()
    bench.say("job-0")
    bench.assign()
    assert len(bench.outbox.of(JobAssign)) == 1
    assert [type(message) for message in bench.dispatcher.messages] == [
        ResultArrived,
        JobUndelivered,
    ]


@pytest.mark.parametrize("reason", ["job_timeout", None], ids=["cancelled", "merged"])
def test_an_assignment_that_was_withdrawn_is_not_sent_again(
    bench: Bench, reason: str | None
) -> None:
    """The same place may be told twice when the answer of a script was lost."""
    bench.online()
    bench.assign()
    bench.tell(WithdrawJob(JobId("job-0"), 1, reason))
    bench.assign()
    assert len(bench.outbox.of(JobAssign)) == 1
    assert bench.node.open_jobs == 0
    bench.dispatcher.only(JobUndelivered)


def test_results_are_matched_by_the_id_that_the_node_was_given(bench: Bench) -> None:
    bench.online()
    bench.assign(0, attempt=2)
    bench.say("job-0", attempt_id=1)  # its public id is not what this node knows it by
    assert bench.dispatcher.messages == []
    bench.say("job-0~2", attempt_id=1, session_id="other", utterance_index=99, node_id="liar")
    arrived = bench.dispatcher.only(ResultArrived)
    assert (arrived.job_id, arrived.attempt, arrived.node_id) == ("job-0", 2, "n")


def test_an_answer_may_be_followed_by_another(bench: Bench) -> None:
    bench.online()
    bench.assign()
    bench.say("job-0", text_asr="", text_translated="")
    bench.say("job-0")
    assert len(bench.dispatcher.of(ResultArrived)) == 2
    assert bench.node.open_jobs == 0


def test_answered_jobs_are_remembered_for_a_while_without_their_session(bench: Bench) -> None:
    bench.online()
    for index in range(500):
        bench.assign(index)
        bench.say(f"job-{index}")
    bench.say("job-0")
    assert len(bench.dispatcher.of(ResultArrived)) == 500


def test_a_segment_whose_turn_goes_on_stays_in_hand(bench: Bench) -> None:
    bench.online()
    bench.assign(0, turn_continues=True)
    bench.say("job-0", text_translated="")
    assert bench.node.open_jobs == 1
    bench.tell(WithdrawJob(JobId("job-0"), 1, None))  # merged: nothing is owed any more
    assert bench.node.open_jobs == 0
    assert bench.outbox.of(JobCancel) == []


def test_a_withdrawn_job_is_cancelled_at_the_node_under_its_name_there(bench: Bench) -> None:
    bench.online()
    bench.assign(0, attempt=2)
    bench.tell(WithdrawJob(JobId("job-0"), 1, "job_timeout"))  # another attempt
    assert bench.outbox.of(JobCancel) == []
    bench.tell(WithdrawJob(JobId("job-0"), 2, "job_timeout"))
    [cancel] = bench.outbox.of(JobCancel)
    assert (cancel.job_id, cancel.reason) == ("job-0~2", "job_timeout")
    bench.say("job-0~2")
    assert bench.dispatcher.messages == []


def test_progress_goes_where_it_belongs(bench: Bench) -> None:
    bench.online()
    bench.assign()
    known, unknown = NodeJobId("job-0"), NodeJobId("job-x")
    for job_id in (known, unknown):
        partial = NodeAsrPartial(job_id=job_id, text="hel", is_final=False)
        bench.tell(NodeMessageArrived(partial), NodeMessageArrived(JobAck(job_id=job_id)))
        bench.tell(NodeMessageArrived(JobStarted(job_id=job_id)))
    bench.tell(NodeMessageArrived(NodeError(code="GPU_ON_FIRE")))
    assert bench.session.only(PartialArrived).text == "hel"
    assert [accepted.started for accepted in bench.dispatcher.of(JobAccepted)] == [False, True]


def test_a_partial_text_for_a_session_that_is_gone_harms_nobody(bench: Bench) -> None:
    bench.online()
    gone = NodeActor(NodeId("x"), bench.directory, NodeOptions())
    gone.actor_ref.actor_stopped.set()
    bench.tell(assignment(gone.actor_ref, 0, 1))  # type: ignore[arg-type]  # a dead ref
    bench.tell(
        NodeMessageArrived(NodeAsrPartial(job_id=NodeJobId("job-0"), text="a", is_final=False))
    )
    assert bench.node.open_jobs == 1


def test_a_message_that_nobody_sends_is_a_bug(bench: Bench) -> None:
    with pytest.raises(AssertionError, match="unreachable"):
        bench.tell("hello")


def test_what_a_node_says_again_is_told_once(bench: Bench) -> None:
    bench.online()
    bench.assign()
    ack, started = JobAck(job_id=NodeJobId("job-0")), JobStarted(job_id=NodeJobId("job-0"))
    for message in (ack, ack, started, started, ack):
        bench.tell(NodeMessageArrived(message))
    assert [one.started for one in bench.dispatcher.of(JobAccepted)] == [False, True]
    for _ in range(3):
        bench.say("job-0", text_asr="", text_translated="")
    for _ in range(3):
        bench.say("job-0")
    assert [one.result.text_asr for one in bench.dispatcher.of(ResultArrived)] == ["", "hello"]
