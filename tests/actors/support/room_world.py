"""Members of one room whose sessions move between instances, on literal time and without sockets.

Every message waits in a queue of its own kind until the test lets it through: what actors tell each
other, what the store is told, what clients read. A crash loses what waits at that instance. The
store and the room keep what their scripts would keep.
"""

from dataclasses import replace
from typing import Any

from actors.admission import JoinAttempts
from actors.messages.job import EndJob, JobDispatched, JobEnded, UtteranceCut
from actors.messages.room import (
    ChangeSeat,
    LeaveSeat,
    ReclaimSeat,
    RoomOver,
    RoomRequested,
    RoomSeen,
    RoomView,
    SeatGranted,
    SeatReclaimed,
    TakeSeat,
)
from actors.messages.session import ChunkArrived, SessionClaimed, SessionOpened
from actors.messages.takeover import (
    DrainRequested,
    RecordSession,
    SessionRecorded,
    SessionReleased,
    SocketResumed,
)
from actors.session.member.aliases import alias_of
from actors.session.profile.resumption import TokenMint
from actors.session.record.moved import TakenOverSession
from protocol.ids import InstanceId, JobId, NodeId, NodeJobId, SessionId
from protocol.messages.node_inbound import JobResult
from protocol.messages.rooms import RoomJoin
from protocol.messages.session_outbound import (
    AudioAck,
    MissingResult,
    SessionInitAck,
    TranslationResult,
)
from storage.job import JobState
from storage.replies.session import Claimed, FollowingJob, RecordedOutcome
from storage.room import Seat
from tests.actors.support.room_life import CODE, GAP_MS, Life, Member, Ref
from tests.actors.support.speaker import pcm
from tests.support.recording import HandClock


class RoomWorld:
    """The members, their store and their room. Also the `RemoteMailboxes`."""

    def __init__(self, **languages: str) -> None:
        self.clock = HandClock(1000.0)
        self.lives = 0
        self.seats: dict[SessionId, Seat] = {}
        self.version = 0
        self.members = {name: Member(name, language) for name, language in languages.items()}
        self.by_instance: dict[tuple[InstanceId, SessionId], Life] = {}
        self.expected: list[SessionId] = []
        """Who said what: the first utterance, the second, …"""
        for member in self.members.values():
            self._begin(member, None)
            member.life.actor.on_receive(SessionClaimed(7))
            member.life.actor.on_receive(RoomRequested(RoomJoin(room_code=CODE), JoinAttempts(10)))
        self.settle()

    # ---- Elsewhere --------------------------------------------------------------------------

    def session(self, instance_id: InstanceId, session_id: SessionId) -> Ref | None:
        life = self.by_instance.get((instance_id, session_id))
        return None if life is None or life.is_over else life.ref

    # ---- what happens -----------------------------------------------------------------------

    def _begin(self, member: Member, moved: TakenOverSession | None) -> None:
        self.lives += 1
        member.life = Life(self, member, moved)
        member.read = 0
        self.by_instance[member.life.instance, member.session_id] = member.life

    def say(self, name: str) -> None:
        """Say an utterance and end it by hand."""
        member = self.members[name]
        audio = pcm(500 + 20 * len(self.expected))
        for piece in ((audio, False), (b"", True)):
            member.audio.append(piece)
            if member.is_up:
                self._send(member, len(member.audio) - 1)
        self.expected.append(member.session_id)

    def _send(self, member: Member, seq: int) -> None:
        assert seq >= member.forgotten, "asked for what may be forgotten"
        audio, final = member.audio[seq]
        member.life.actor.on_receive(ChunkArrived(audio, seq, is_final=final))

    def answer(self, name: str) -> None:
        """Have the oldest open job of a speaker answered, which is recorded first."""
        member = self.members[name]
        if not member.kept.jobs:
            return
        cut = member.kept.jobs.pop(next(iter(member.kept.jobs)))
        spec, words = cut.spec, str((len(cut.audio) - len(pcm(500))) // len(pcm(20)))
        if spec.is_recorded:
            text = f'{{"text_asr":"{words}","spoken":true}}'
            member.kept.outcomes.append(
                RecordedOutcome(spec.cut, spec.job_id, spec.utterance_index, spec.language, text)
            )
        result = JobResult(job_id=NodeJobId("x"), success=True, text_asr=words, tts_audio="AAAA")
        ended = JobEnded(spec.job_id, JobState.DONE, None, result, 1, NodeId("n"))
        member.life.inbox.append(ended)

    def carry(self, name: str, what: str) -> None:
        """Let one waiting message through: to the session, the store or the room."""
        life = self.members[name].life
        queue = {"told": life.inbox, "store": life.dispatcher, "room": life.room}[what]
        if queue:
            message = queue.popleft()
            if what == "told":
                if not life.is_over:
                    life.actor.on_receive(message)
            elif what == "store":
                self._store(life, message)
            else:
                self._room(life, message)

    def _store(self, life: Life, message: Any) -> None:
        kept = life.member.kept
        match message:
            case SessionOpened(claim=claim) if claim is not None:
                kept.state = claim.session_state
            case RecordSession():
                kept.state = message.session_state
                for one in message.heard:
                    outcome = RecordedOutcome(
                        one.number, JobId(""), one.index, "", one.outcome, one.key
                    )
                    kept.outcomes.append(outcome)
                life.inbox.append(SessionRecorded(message.end_seq, message.serial))
            case UtteranceCut():
                kept.state = message.session_state
                kept.jobs[message.spec.job_id] = message
                life.inbox.append(JobDispatched(message.spec.job_id, 1, NodeId("n")))
            case EndJob():
                kept.jobs.pop(message.job_id, None)

    def _room(self, life: Life, message: Any) -> None:
        sid = life.member.session_id
        match message:
            case TakeSeat():
                self.seats[sid] = message.seat
                life.inbox.append(SeatGranted(CODE, "r"))
            case ReclaimSeat() if sid not in self.seats:
                life.inbox.append(RoomOver(CODE))
                return
            case ReclaimSeat():
                seat = self.seats[sid]
                self.seats[sid] = replace(seat, instance_id=life.instance, epoch=message.epoch)
                life.inbox.append(SeatReclaimed(CODE, self.seats[sid]))
            case LeaveSeat() if self.seats[sid].instance_id == life.instance:
                del self.seats[sid]
            case ChangeSeat():
                self.seats[sid] = message.seat
            case _:
                return
        self.version += 1
        seats = tuple(sorted(self.seats.values(), key=lambda seat: seat.session_id))
        for member in self.members.values():
            if member.session_id in self.seats:
                member.life.inbox.append(RoomSeen(RoomView(CODE, "r", self.version, seats)))

    def listen(self, name: str) -> None:
        """Let a client read what it was sent."""
        member = self.members[name]
        sent = member.life.outbox.messages
        assert not sent or isinstance(sent[0], SessionInitAck)
        while member.read < len(sent):
            message = sent[member.read]
            member.read += 1
            match message:
                case SessionInitAck():
                    member.token = message.resume_token or ""
                    if message.resumed:
                        self._send_again(member, message.next_seq or 0)
                case AudioAck():
                    member.forgotten = max(member.forgotten, message.next_seq)
                case TranslationResult() | MissingResult():
                    self._hear(member, message)

    def _hear(self, member: Member, message: TranslationResult | MissingResult) -> None:
        assert message.speaker_session_id is not None
        is_result = isinstance(message, TranslationResult)
        text = message.text_asr if is_result else message.reason.value  # type: ignore[union-attr]
        assert message.delivery_seq == member.last_seq + 1, f"{message} after {member.heard}"
        assert message.utterance_index not in member.indexes, "an index that was shown"
        member.indexes.add(message.utterance_index)
        [speaker] = [
            one.session_id
            for one in self.members.values()
            if alias_of(CODE, one.session_id) == message.speaker_session_id
        ]
        member.heard.append((message.delivery_seq, speaker, text))

    # ---- moves ------------------------------------------------------------------------------

    def crash(self, name: str) -> None:
        """Its instance is killed, and the client comes back at another one."""
        member = self.members[name]
        del self.by_instance[member.life.instance, member.session_id]
        self._resume(member)

    def part(self, name: str) -> None:
        """The client turns up at another instance while the former one lives."""
        member, former = self.members[name], self.members[name].life
        self._resume(member)
        former.actor.on_receive(SessionReleased())
        self._follow(former)

    def drain(self, name: str) -> None:
        """Its instance shuts down in order."""
        member, former = self.members[name], self.members[name].life
        former.actor.on_receive(DrainRequested("shutdown", 1000, 500))
        while former.dispatcher:
            self._store(former, former.dispatcher.popleft())
        self._follow(former)
        self._resume(member)

    def _follow(self, former: Life) -> None:
        while former.room:
            self._room(former, former.room.popleft())

    def _resume(self, member: Member) -> None:
        self.listen_if_lost(member)
        former = member.life
        resume = former.actor._resume
        assert resume is not None
        mint = TokenMint(member.session_id, resume.resumption.mint.key)
        number = mint.read(member.token)
        assert number is not None
        jobs = tuple(
            FollowingJob(
                job_id, cut.spec.utterance_index, JobState.ASSIGNED, 1, NodeId("n"),
                InstanceId("n"), True, 9000, 90_000,
            )
            for job_id, cut in member.kept.jobs.items()
        )  # fmt: skip
        claimed = Claimed(100 + self.lives, jobs, member.kept.state, tuple(member.kept.outcomes))
        moved = TakenOverSession.of(member.profile, (mint, number), claimed, member.last_seq)
        self._begin(member, moved)
        life = member.life
        offer = life.presence.resumption(member.session_id)
        assert offer is not None
        offer.claim(member.token, life.outbox)
        member.is_up = False
        life.actor.on_receive(SocketResumed(life.outbox, member.last_seq))

    def _send_again(self, member: Member, next_seq: int) -> None:
        member.is_up = True
        for seq in range(next_seq, len(member.audio)):
            self._send(member, seq)

    def listen_if_lost(self, member: Member) -> None:
        """What was sent and not read is lost with the line, except for the client's token."""
        for message in member.life.outbox.messages[member.read :]:
            if isinstance(message, SessionInitAck):
                member.token = message.resume_token or ""

    # ---- the end ----------------------------------------------------------------------------

    def settle(self) -> None:
        """Let everything through, again and again."""
        while True:
            lives = [member.life for member in self.members.values()]
            for name in self.members:
                self.listen(name)
            if not any(life.inbox or life.dispatcher or life.room for life in lives):
                break
            for name in self.members:
                for what in ("told", "store", "room"):
                    self.carry(name, what)

    def finish(self) -> None:
        """Have everything answered and heard."""
        self.settle()
        while any(member.kept.jobs for member in self.members.values()):
            for name in self.members:
                self.answer(name)
            self.settle()
        self.clock.advance_to(self.clock.now_ms + GAP_MS + 1)
        self.settle()
