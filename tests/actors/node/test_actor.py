"""One node: its registration, its silence, its sockets, its jobs and the ids it knows them by."""

from typing import Any

import pytest

from actors.messages.job import (
    JobUndelivered,
    ResultArrived,
)
from actors.messages.node import (
    NodeAccepted,
    NodeArrived,
    NodeBeat,
    NodeChanged,
    NodeLost,
    NodeMessageArrived,
    NodeSocketLost,
    NodeUnknown,
)
from actors.messages.process import DispatcherRestarted, StoreEmptied
from actors.node.options import NodeOptions
from protocol.ids import (
    NodeId,
    NodeJobId,
)
from protocol.messages.node_inbound import (
    JobAck,
    LanguageCapabilities,
)
from protocol.messages.node_outbound import JobAssign, JobCancel, NodeRegisterAck
from protocol.messages.shared import FULL_PIPELINE
from tests.actors.support.node_bench import SILENCE_MS, NodeBench
from tests.support.recording import RecordingOutbox


def test_a_node_that_says_too_much_at_once_is_not_read_meanwhile(bench: NodeBench) -> None:
    inbox = bench.node.actor_inbox
    for number in range(256):
        assert not inbox.is_full
        bench.node.actor_ref.tell(NodeMessageArrived(JobAck(job_id=NodeJobId(f"j{number}"))))
    assert inbox.is_full


# ---- languages ------------------------------------------------------------------------------


def test_a_node_reads_languages_as_it_writes_them(bench: NodeBench) -> None:
    bench.online()
    bench.beat(LanguageCapabilities(asr_languages=("fr", "en_US"), semantic_languages=("spa",)))
    bench.outbox.take()
    bench.assign()
    [job] = bench.outbox.of(JobAssign)
    assert (job.src_lang, job.tgt_lang) == ("en_US", "spa")


def test_a_node_that_only_recognises_reads_its_own_tag_twice(bench: NodeBench) -> None:
    bench.online()
    bench.beat(LanguageCapabilities(asr_languages=("en-GB",)))
    bench.outbox.take()
    recognised = FULL_PIPELINE.model_copy(update={"use_nmt": False, "use_tts": False})
    bench.assign(pipeline=recognised, target="en")
    [job] = bench.outbox.of(JobAssign)
    assert (job.src_lang, job.tgt_lang) == ("en-GB", "en-GB")


def test_both_languages_of_a_pair_are_written_as_the_node_does(bench: NodeBench) -> None:
    bench.online()
    both = ("en-US", "es-419")
    bench.beat(LanguageCapabilities(asr_languages=both, semantic_languages=both))
    bench.outbox.take()
    bench.assign(source="auto", lang_a="en", lang_b="es", auto_langs=("en", "fr"))
    [job] = bench.outbox.of(JobAssign)
    assert (job.src_lang, job.tgt_lang) == ("auto", "es-419")
    assert (job.lang_a, job.lang_b, job.auto_langs) == ("en-US", "es-419", ("en-US", "fr"))


# ---- registration ---------------------------------------------------------------------------


def test_a_node_is_acknowledged_when_the_store_has_it(bench: NodeBench) -> None:
    bench.register(max_concurrent_jobs=7)
    arrived = bench.dispatcher.only(NodeArrived)
    assert (arrived.node_id, arrived.max_jobs, arrived.languages.asr) == ("n", 7, ("en",))
    assert bench.outbox.messages == []
    bench.tell(NodeAccepted(1))
    [ack] = bench.outbox.of(NodeRegisterAck)
    assert (ack.node_id, ack.error) == ("n", None)


def test_a_node_that_does_not_say_how_much_it_can_take_gets_the_default(bench: NodeBench) -> None:
    bench.register()
    assert bench.dispatcher.only(NodeArrived).max_jobs == NodeOptions().max_jobs_per_node


def test_a_registration_is_acknowledged_once(bench: NodeBench) -> None:
    bench.register()
    bench.tell(NodeAccepted(1), StoreEmptied(), NodeAccepted(2))
    assert len(bench.outbox.of(NodeRegisterAck)) == 1
    assert len(bench.dispatcher.of(NodeArrived)) == 2


def test_languages_that_change_while_it_registers_are_told_afterwards(bench: NodeBench) -> None:
    bench.register()
    german = LanguageCapabilities(asr_languages=("de",), semantic_languages=("es",))
    bench.beat(german)
    assert bench.dispatcher.of(NodeChanged) == []
    bench.tell(NodeAccepted(3))
    changed = bench.dispatcher.only(NodeChanged)
    assert (changed.epoch, changed.languages.asr) == (3, ("de",))


def test_a_heartbeat_says_what_changed_once(bench: NodeBench) -> None:
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
    bench: NodeBench, usage: dict[str, Any], *, overloaded: bool
) -> None:
    bench.online()
    bench.beat(**usage)
    assert bench.dispatcher.only(NodeBeat).overloaded is overloaded


def test_a_node_that_the_store_forgot_registers_again_by_itself(bench: NodeBench) -> None:
    bench.online(epoch=4)
    bench.tell(NodeUnknown(3))  # about an earlier registration
    assert bench.dispatcher.of(NodeArrived) == []
    bench.tell(NodeUnknown(4))
    assert len(bench.dispatcher.of(NodeArrived)) == 1
    bench.tell(NodeUnknown(4))  # it is on its way already
    assert len(bench.dispatcher.of(NodeArrived)) == 1


def test_only_a_registration_under_way_is_repeated_for_another_dispatcher(bench: NodeBench) -> None:
    bench.register()
    bench.tell(DispatcherRestarted())
    assert len(bench.dispatcher.of(NodeArrived)) == 2
    bench.tell(NodeAccepted(1), DispatcherRestarted())
    assert len(bench.dispatcher.of(NodeArrived)) == 2


# ---- silence --------------------------------------------------------------------------------


def test_a_silent_node_is_lost_its_jobs_are_withdrawn_and_its_socket_stays(
    bench: NodeBench,
) -> None:
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


def test_heartbeats_keep_a_node(bench: NodeBench) -> None:
    bench.online()
    for second in range(15, 200, 15):
        bench.clock.advance_to(1000 + second * 1000)
        bench.beat()
    assert bench.dispatcher.of(NodeLost) == []


def test_a_silent_node_that_is_heard_again_registers(bench: NodeBench) -> None:
    bench.online()
    bench.clock.advance_to(1000 + SILENCE_MS)
    bench.dispatcher.take()
    bench.beat()
    assert bench.dispatcher.only(NodeArrived).languages.semantic == ("es",)
    bench.tell(NodeAccepted(2))
    bench.beat()
    assert bench.dispatcher.only(NodeBeat).epoch == 2
    assert bench.outbox.of(NodeRegisterAck) == []


def test_a_job_that_crosses_the_silence_is_given_back(bench: NodeBench) -> None:
    bench.online()
    bench.clock.advance_to(1000 + SILENCE_MS)
    bench.assign()
    assert bench.dispatcher.only(JobUndelivered).attempt == 1
    assert bench.outbox.of(JobAssign) == []
    assert bench.node.open_jobs == 0


def test_a_node_that_waits_for_its_id_is_not_silent(bench: NodeBench) -> None:
    """It says nothing before it has it; the store may be away for long."""
    bench.register()
    bench.clock.advance_to(10 * SILENCE_MS)
    assert bench.dispatcher.of(NodeLost) == []
    bench.tell(NodeAccepted(1))
    assert len(bench.outbox.of(NodeRegisterAck)) == 1
    bench.clock.advance_to(11 * SILENCE_MS)
    assert len(bench.dispatcher.of(NodeLost)) == 1


def test_a_node_that_fell_silent_while_it_registered_again_is_lost(bench: NodeBench) -> None:
    bench.online(epoch=1)
    bench.tell(StoreEmptied())
    bench.clock.advance_to(1000 + SILENCE_MS)
    bench.tell(NodeAccepted(2))
    assert bench.dispatcher.of(NodeLost)[-1].epoch == 2
    bench.beat()
    assert bench.dispatcher.of(NodeBeat) == []
    assert len(bench.dispatcher.of(NodeArrived)) == 2


def test_a_silent_node_is_not_registered_because_the_store_lost_it(bench: NodeBench) -> None:
    bench.online()
    bench.clock.advance_to(1000 + SILENCE_MS)
    bench.tell(StoreEmptied())
    assert bench.dispatcher.of(NodeArrived) == []


# ---- sockets --------------------------------------------------------------------------------


def test_the_end_of_its_socket_ends_a_node(bench: NodeBench) -> None:
    bench.online(epoch=8)
    bench.assign()
    bench.tell(NodeSocketLost(bench.outbox))
    assert bench.dispatcher.of(NodeLost) == [NodeLost(NodeId("n"), 8)]
    assert NodeId("n") not in bench.directory.nodes


def test_a_node_that_comes_back_answers_on_its_other_socket(bench: NodeBench) -> None:
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


def test_a_socket_that_takes_nothing_more_is_as_good_as_lost(bench: NodeBench) -> None:
    bench.online(epoch=2)
    bench.assign(0)
    bench.outbox.is_open = False
    bench.assign(1)
    sent = [type(message) for message in bench.dispatcher.messages]
    assert sent == [NodeLost, JobUndelivered]
    bench.tell(NodeSocketLost(bench.outbox))
    assert NodeId("n") not in bench.directory.nodes


def test_a_failed_actor_moves_its_jobs_and_leaves_the_socket_open(bench: NodeBench) -> None:
    """Existing nodes reconnect once in their life; the socket registers again in their name."""
    bench.online(epoch=3)
    bench.node.on_failure(ValueError, ValueError("bug"), None)
    assert bench.dispatcher.only(NodeLost).epoch == 3
    assert NodeId("n") not in bench.directory.nodes
    assert bench.outbox.closed_with is None
