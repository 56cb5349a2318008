"""Sessions that come to this instance or leave it, as its dispatcher sees them, on a real store."""

from collections.abc import Iterator
from dataclasses import replace

import fakeredis
import pytest

from actors.messages.job import EndJob, JobEnded, UtteranceWanted
from actors.messages.process import StoreEmptied
from actors.messages.takeover import (
    OwnershipConfirmed,
    OwnershipUnclear,
    RecordSession,
    ReleaseSession,
    ResumeAnswered,
    ResumeRequested,
    SessionDrained,
    SessionRecorded,
    SessionReleased,
)
from actors.session.cut import CutReason
from actors.session.profile.profile import SessionProfile
from actors.session.profile.resumption import TokenMint, TokenNumber, new_token_key
from actors.session.record.moved import TakenOverSession
from actors.session.record.saved import CutRecord, SessionRecord
from protocol.audio.framing import AudioFormat
from protocol.errors import CloseCode, ErrorCode, MissingReason
from protocol.ids import JobId, SessionId, TraceId, TurnId
from storage.client.executor import RedisExecutor
from storage.job import JobState
from storage.replies.session import Claimed
from storage.sessions import Claim
from tests.actors.support.dispatch_bench import DispatchBench, DyingRef
from tests.support.recording import RecordingOutbox, RecordingRef
from tests.support.storage_world import World


@pytest.fixture
def bench() -> Iterator[DispatchBench]:
    client = fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer(), decode_responses=True)
    world = World.on_empty_store(RedisExecutor(client))
    world.beat("i2")
    yield DispatchBench(world)
    world.close()


def take_away(bench: DispatchBench, session: str = "s") -> int:
    """Have another instance claim the session; return its epoch."""
    epoch = int(bench.world.command("HGET", f"session:{session}", "epoch"))
    return int(bench.world.take_over(session, "i2", epoch).epoch)


def test_a_released_session_leaves_no_job_and_says_nothing(bench: DispatchBench) -> None:
    session = bench.session("s")
    bench.tell(bench.cut("s", 0))
    session.messages.clear()
    bench.tell(ReleaseSession(SessionId("s"), take_away(bench)))
    assert session.messages == [SessionReleased()]
    assert len(bench.jobs.open_jobs) == 0


def test_an_old_note_releases_nothing(bench: DispatchBench) -> None:
    session = bench.session("s")
    session.messages.clear()
    bench.tell(ReleaseSession(SessionId("s"), 1))
    assert session.messages == []


def test_a_cut_of_a_session_that_is_elsewhere_ends_in_silence(bench: DispatchBench) -> None:
    session = bench.session("s")
    take_away(bench)
    session.messages.clear()
    bench.tell(bench.cut("s", 0))
    assert session.of(JobEnded) == []
    assert session.of(SessionReleased) == [SessionReleased()]


def test_a_note_for_a_session_that_is_elsewhere_releases_it(bench: DispatchBench) -> None:
    session = bench.session("s")
    bench.tell(RecordSession(session, SessionId("s"), "{}", end_seq=4))
    assert session.of(SessionRecorded) == [SessionRecorded(4)]
    take_away(bench)
    bench.tell(RecordSession(session, SessionId("s"), "{}", end_seq=5))
    assert session.of(SessionReleased) == [SessionReleased()]


def test_after_a_doubt_each_session_learns_whose_it_is(bench: DispatchBench) -> None:
    kept, taken = bench.session("kept"), bench.session("taken")
    take_away(bench, "taken")
    bench.tell(OwnershipUnclear(1))
    assert kept.of(OwnershipConfirmed) == [OwnershipConfirmed(1)]
    assert taken.of(OwnershipConfirmed) == []
    assert taken.of(SessionReleased) == [SessionReleased()]


def test_a_session_whose_record_is_gone_is_its_own_and_is_kept_again(bench: DispatchBench) -> None:
    session = bench.session("s")
    bench.world.command("DEL", "session:s")
    bench.tell(OwnershipUnclear(1))
    assert session.of(SessionReleased) == []
    assert session.of(OwnershipConfirmed) == [OwnershipConfirmed(1)]
    assert session.of(StoreEmptied) == [StoreEmptied()]


def test_a_session_that_left_stays_in_the_store(bench: DispatchBench) -> None:
    bench.session("s")
    bench.tell(SessionDrained(SessionId("s")))
    assert bench.world.command("EXISTS", "session:s") == 1
    end = EndJob(bench.world.spec("s", 0).job_id, JobState.FAILED, MissingReason.NODE_LOST)
    bench.tell(end)  # nothing is open


# ---- coming -------------------------------------------------------------------------------------


def come(bench: DispatchBench, token: str, credential: str = "") -> ResumeAnswered:
    """Ask for a session of another instance; the answer, whatever it is, comes at once."""
    asker = RecordingRef("socket")
    outbox = RecordingOutbox()
    bench.tell(ResumeRequested(asker, SessionId("far"), token, credential, outbox, 0))
    return asker.only(ResumeAnswered)


@pytest.fixture
def far(bench: DispatchBench) -> TokenMint:
    """A session that lives on another instance, with a job that waits."""
    mint = TokenMint(SessionId("far"), new_token_key())
    profile = SessionProfile(
        SessionId("far"), TraceId("t"), "t1", "web", "en", "es", is_resumable=True
    )
    cut = CutRecord(
        1, 0, JobId("job-far-0-es"), CutReason.MANUAL, AudioFormat.PCM16, 16_000, 900,
        TurnId("turn-0"), 0, first_seq=0, last_seq=3,
    )  # fmt: skip
    state = SessionRecord(1, end_seq=4, next_index=1, cuts=(cut,)).text([cut.text()])
    world, claim = bench.world, Claim(SessionId("far"), "t1", token_key=mint.key)
    claim = replace(claim, profile=profile.text(), session_state=state)
    reply = world.do(world.member("i2").sessions.claim(claim))
    assert isinstance(reply, Claimed)
    world.session_epochs["far"] = reply.epoch
    world.dispatch("far", 0, owner="i2", cut=1)
    return mint


def test_a_session_comes_with_its_jobs(bench: DispatchBench, far: TokenMint) -> None:
    moved: list[TakenOverSession] = []
    ref = DyingRef("far", answers=False)

    def admit(session: TakenOverSession, _wish: ResumeRequested) -> ResumeAnswered:
        moved.append(session)
        bench.sessions["far"] = ref
        return ResumeAnswered(SessionId("far"), ref)

    bench.admit = admit
    answer = come(bench, far.make(TokenNumber(0, 1)))
    assert answer.session is ref
    assert moved[0].saved.end_seq == 4
    [job] = bench.jobs.open_jobs
    assert (job.spec.job_id, job.node_id, job.session) == ("job-far-0-es", None, ref)
    bench.node("n")
    assert ref.only(UtteranceWanted).attempt == 1
    assert bench.world.notes("i2")[0][1]["kind"] == "release"


def test_a_job_at_a_node_elsewhere_stays_there(bench: DispatchBench, far: TokenMint) -> None:
    """Its audio goes to the node's instance once the client has sent it again."""
    bench.world.node("f", owner="i2")
    ref = DyingRef("far", answers=False)
    bench.admit = lambda _session, _wish: ResumeAnswered(SessionId("far"), ref)
    come(bench, far.make(TokenNumber(0, 1)))
    [job] = bench.jobs.open_jobs
    assert (job.node_id, job.node_instance) == ("f", "i2")
    assert ref.only(UtteranceWanted).attempt == 1


@pytest.mark.parametrize("token", ["", "guess", "0.1.AAAA"])
def test_nobody_gets_a_session_without_its_token(
    bench: DispatchBench, far: TokenMint, token: str
) -> None:
    answer = come(bench, token)
    assert (answer.session, answer.code) == (None, ErrorCode.INVALID_SESSION)
    assert come(bench, far.make(TokenNumber(0, 1)), "another tenant").session is None
    assert bench.world.command("HGET", "session:far", "owner") == "i2"


def test_a_client_does_not_wait_for_ever_for_a_store_that_is_away(bench: DispatchBench) -> None:
    asker, outbox = RecordingRef("socket"), RecordingOutbox()
    bench.store.is_away = True
    bench.tell(ResumeRequested(asker, SessionId("far"), "0.1.x", "", outbox, 0))
    assert asker.messages == []
    bench.pass_time(6000)
    answer = asker.only(ResumeAnswered)
    assert answer.code == ErrorCode.SCHEDULER_DEPENDENCY_DOWN
    assert answer.close_code == CloseCode.TRY_AGAIN_LATER
