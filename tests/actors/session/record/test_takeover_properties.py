"""Whatever the moment at which a session moves, nodes and client hear what they would have heard.

Two instances are two actors with a store between them that keeps what they leave in it. The client
sends again what it was not told to forget; the audio of every utterance, its index and the order
and number of outcomes are those of a session that never moved.
"""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from actors.messages.job import JobDispatched, JobEnded, UtteranceCut
from actors.messages.session import ChunkArrived, SessionOpened
from actors.messages.takeover import RecordSession
from actors.session.profile.resumption import TokenMint, TokenNumber
from actors.session.record.moved import TakenOverSession
from protocol.ids import JobId, NodeId
from storage.job import JobState
from storage.replies.session import Claimed, FollowingJob, RecordedOutcome
from tests.actors.support.resume_bench import ResumeBench
from tests.actors.support.speaker import opus


@dataclass(frozen=True)
class Moment:
    """Something the speaker or the world does."""

    what: str
    after_ms: int = 0


moments = st.builds(
    Moment,
    st.sampled_from(["chunk"] * 6 + ["final", "both", "long", "answer", "answer", "move"]),
    st.sampled_from([0, 59, 60, 256, 256, 256]),
)


@dataclass
class Store:
    """What outlives an instance."""

    state: str = ""
    jobs: dict[JobId, UtteranceCut] = field(default_factory=dict)
    outcomes: list[RecordedOutcome] = field(default_factory=list)

    def take(self, message: Any) -> None:
        """Keep what a script would."""
        if isinstance(message, SessionOpened) and message.claim is not None:
            self.state = message.claim.session_state
        elif isinstance(message, RecordSession):
            self.state = message.session_state
        elif isinstance(message, UtteranceCut):
            self.state = message.session_state
            self.jobs[message.spec.job_id] = message

    def claimed(self, epoch: int) -> Claimed:
        """Return what a claim returns."""
        following = (
            FollowingJob(
                job_id, cut.spec.utterance_index, JobState.QUEUED, 1, None, None, False, 9000, 90000
            )
            for job_id, cut in self.jobs.items()
        )
        return Claimed(epoch, tuple(following), self.state, tuple(self.outcomes))


class Journey:
    """One client, and the instance it speaks with."""

    def __init__(self) -> None:
        self.store = Store()
        self.bench = ResumeBench()
        self.seen = 0
        self.audio: list[tuple[bytes, bool]] = []
        self.forgotten = 0
        self.heard: list[tuple[int | None, int]] = []
        self.read = 0
        self.spoken: dict[int, bytes] = {}
        self.open: list[UtteranceCut] = []
        self.moves = 0
        self.sync()

    def sync(self) -> None:
        """Let the store take what it was told, and the client read what it was sent."""
        told = self.bench.dispatcher.messages
        for message in told[self.seen :]:
            self.store.take(message)
            if isinstance(message, UtteranceCut):
                self.dispatched(message)
        self.seen = len(told)
        outcomes = self.bench.outcomes()
        for outcome in outcomes[self.read :]:
            self.heard.append((outcome.delivery_seq, outcome.utterance_index))
        self.read = len(outcomes)
        self.forgotten = max([self.forgotten, *self.bench.acked()])

    def dispatched(self, cut: UtteranceCut) -> None:
        index = cut.spec.utterance_index
        assert index not in self.spoken, "an utterance was dispatched twice"
        self.spoken[index] = cut.audio
        self.open.append(cut)
        self.bench.tell(JobDispatched(cut.spec.job_id, 1, NodeId("n")))

    def say(self, audio: bytes, *, final: bool) -> None:
        self.audio.append((audio, final))
        self.send(len(self.audio) - 1)

    def send(self, seq: int) -> None:
        assert seq >= self.forgotten, "asked for what may be forgotten"
        audio, final = self.audio[seq]
        self.bench.tell(ChunkArrived(audio, seq, is_final=final))
        self.sync()

    def advance(self, ms: float) -> None:
        self.bench.advance_to(self.bench.clock.now_ms + ms)
        self.sync()

    def answer(self) -> None:
        """Have the oldest open job answered, which is recorded first."""
        if not self.open:
            return
        cut = self.open.pop(0)
        spec = cut.spec
        del self.store.jobs[spec.job_id]
        text = f'{{"text_asr":"words {spec.utterance_index}","spoken":true}}'
        self.store.outcomes.append(
            RecordedOutcome(spec.cut, spec.job_id, spec.utterance_index, spec.language, text)
        )
        self.bench.answer(cut, f"words {spec.utterance_index}")
        self.sync()

    def move(self) -> None:
        """Go on with another actor that knows what the store knows; the former one is no more."""
        self.moves += 1
        former = self.bench
        token = former.token
        mint = TokenMint(former.profile.session_id, former.token_key)
        number = mint.read(token)
        assert number is not None
        last = max((seq or 0 for seq, _ in self.heard), default=0)
        claimed = self.store.claimed(100 + self.moves)
        moved = TakenOverSession.of(former.profile, (mint, TokenNumber(*number)), claimed, last)
        self.bench = ResumeBench(moved=moved, now_ms=former.clock.now_ms)
        self.seen, self.read = 0, 0
        ack = self.bench.resume(last_delivery_seq=last, token=token)
        self.sync()
        assert ack.next_seq is not None
        assert ack.next_seq <= len(self.audio)
        for seq in range(ack.next_seq, len(self.audio)):
            self.send(seq)

    def take(self, moment: Moment, number: int) -> None:
        self.advance(moment.after_ms)
        match moment.what:
            case "chunk" | "final" | "both" as what:
                audio = b"" if what == "final" else opus(1 + number % 250)
                self.say(audio, final=what != "chunk")
            case "long":  # a turn of several parts
                for part in range(42):
                    self.say(opus(1 + (number + part) % 250), final=False)
            case "answer":
                self.answer()
            case "move":
                self.move()

    def finish(self) -> None:
        self.advance(256)
        self.say(b"", final=True)
        self.advance(256)
        while self.open:
            self.answer()
        self.advance(2000)


@given(st.lists(moments, max_size=40))
@example([Moment("final"), Moment("chunk"), Moment("move")])
@example([Moment("chunk"), Moment("final"), Moment("chunk"), Moment("move")])
@example([Moment("both"), Moment("both", 59), Moment("move")])
@example([Moment("final"), Moment("chunk", 60), Moment("chunk", 256), Moment("move", 59)])
def test_a_session_that_moves_is_heard_like_one_that_stays(script: list[Moment]) -> None:
    moving, staying = Journey(), Journey()
    for number, moment in enumerate(script):
        moving.take(moment, number)
        if moment.what == "move":  # some words until it is clear that it is heard when it is said
            staying.advance(moment.after_ms)
            for journey in (moving, staying):
                for word in range(5):
                    journey.advance(256)
                    journey.say(opus(1 + word), final=False)
        else:
            staying.take(moment, number)
    moving.finish()
    staying.finish()
    assert moving.spoken == staying.spoken
    assert moving.heard == staying.heard
    assert [seq for seq, _ in moving.heard] == [*range(1, len(moving.heard) + 1)]
    assert len(moving.heard) == len(moving.spoken)
    assert moving.bench.held.held_bytes == 0


def test_words_of_others_that_were_lost_with_their_place_leave_no_gap() -> None:
    """In a room they had a number between two utterances of this session."""
    journey = Journey()
    for _ in range(2):
        journey.say(opus(3), final=True)
        journey.advance(256)
        assert journey.bench.actor._resume is not None
        journey.bench.actor._resume.notes.records.next_number()
    journey.say(opus(3), final=True)
    journey.advance(256)
    assert [cut.spec.cut for cut in journey.open] == [1, 3, 5]
    journey.move()
    journey.answer()
    journey.answer()
    journey.move()
    journey.answer()
    assert journey.heard == [(1, 0), (2, 1), (3, 2)]


def test_an_answered_end_is_an_outcome() -> None:
    """The model's answers are what the dispatcher tells."""
    journey = Journey()
    journey.say(opus(3), final=True)
    journey.advance(256)
    journey.answer()
    assert journey.heard == [(1, 0)]
    assert not journey.bench.dispatcher.of(JobEnded)
