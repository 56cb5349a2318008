"""A session's actor that was built, not started, behind a reception, on literal time.

Its mailbox is a recorder: what it was told waits there until `deliver`. The dispatcher is a
recorder, too; `answer` ends a job as it would.
"""

from typing import Any

from actors.admission import AdmissionOptions
from actors.directory import Directory
from actors.held_audio import HeldAudio
from actors.messages.job import JobEnded, UtteranceCut
from actors.messages.session import ChunkArrived, SessionClaimed, SocketLost
from actors.messages.takeover import RecordSession, SessionRecorded
from actors.node.options import NodeOptions
from actors.reception import OpenedSession, Pending, Reception, Refused
from actors.session.actor import SessionActor
from actors.session.options import (
    DownlinkOptions,
    SegmenterOptions,
    SequencerOptions,
    UplinkOptions,
)
from actors.session.presence.presence import Presence
from actors.session.profile.profile import SessionProfile
from actors.session.record.moved import TakenOverSession
from actors.session.setup import SessionSetup
from protocol.audio.framing import DeclaredFormat
from protocol.ids import NodeJobId, SessionId, TraceId
from protocol.messages.node_inbound import JobResult
from protocol.messages.session_inbound import SessionInit
from protocol.messages.session_outbound import (
    AudioAck,
    MissingResult,
    SessionInitAck,
    TranslationResult,
)
from protocol.messages.shared import EndpointingMode
from storage.job import JobState
from tests.support.null_metrics import NullMetrics
from tests.support.recording import HandClock, RecordingOutbox, RecordingRef

SESSION = SessionId("s-1")
GRACE_MS = 30_000
FLUSH_MS = 10_000
ACK_MS = 1_000


def init(**fields: Any) -> SessionInit:
    """Return a `session_init` that asks for `resume`."""
    usual = {
        "client_version": "1",
        "platform": "web",
        "src_lang": "en",
        "tgt_lang": "es",
        "resume": True,
        "endpointing": EndpointingMode.CLIENT,
    }
    if "audio_format" in fields:
        fields["audio_format"] = DeclaredFormat(fields["audio_format"])
    return SessionInit.model_validate({**usual, **fields})


class ResumeBench:
    """One session and its surroundings."""

    def __init__(
        self,
        tenant_id: str | None = None,
        *,
        moved: TakenOverSession | None = None,
        now_ms: float = 0.0,
        **fields: Any,
    ) -> None:
        """Begin a session, or go on with one from elsewhere: then `resume` gives it a socket."""
        self._notes_answered = 0
        self.clock = HandClock(now_ms)
        self.dispatcher = RecordingRef("dispatcher")
        self.mailbox = RecordingRef("session")
        self.held = HeldAudio(1 << 28)
        self.presence = Presence()
        directory = Directory()
        directory.dispatcher = self.dispatcher
        directory.register_session(SESSION, self.mailbox)
        setup = SessionSetup(
            directory=directory,
            presence=self.presence,
            held=self.held,
            metrics=NullMetrics(),
            uplink=UplinkOptions(SegmenterOptions(), 1000, 100_000, 5000, ACK_MS),
            downlink=DownlinkOptions(SequencerOptions(), 200, 1 << 23),
            grace_ms=GRACE_MS,
            close_flush_ms=FLUSH_MS,
            keep_audio_after_sending=True,
            wall_ms=lambda: 1_700_000_000_000 + int(self.clock.now_ms),
        )
        self.reception = Reception(
            setup, NodeOptions(), AdmissionOptions(max_sessions=1), lambda _failure: None
        )
        self.outbox = RecordingOutbox()
        self.profile = SessionProfile.of(init(**fields), SESSION, TraceId("t"), tenant_id)
        outbox = self.outbox if moved is None else None
        self.actor = self.clock.hold(SessionActor(self.profile, setup, outbox, moved))
        self.actor.on_start()
        if moved is None:
            self.actor.on_receive(SessionClaimed(7))

    # ---- the client -------------------------------------------------------------------------

    @property
    def token(self) -> str:
        """The newest token that the client was told."""
        token = self.outbox.of(SessionInitAck)[-1].resume_token
        assert token is not None
        return token

    def come_back(
        self, outbox: RecordingOutbox, token: str, tenant_id: str | None = None, **fields: Any
    ) -> OpenedSession | Refused:
        """Ask reception for the session; the actor does not know of it before `deliver`."""
        wish = init(session_id=SESSION, resume_token=token, **fields)
        opened = self.reception.open_session(wish, outbox, tenant_id)
        assert not isinstance(opened, Pending)
        return opened

    @property
    def token_key(self) -> str:
        """What the session's tokens are made with."""
        resumption = self.presence.resumption(SESSION)
        assert resumption is not None
        return resumption.mint.key

    def resume(self, last_delivery_seq: int = 0, token: str | None = None) -> SessionInitAck:
        """Come back on another socket, which is `outbox` from now on; return the ack."""
        token, self.outbox = token or self.token, RecordingOutbox()
        opened = self.come_back(self.outbox, token, last_delivery_seq=last_delivery_seq)
        assert isinstance(opened, OpenedSession), opened
        self.deliver()
        ack = self.outbox.messages[0]
        assert isinstance(ack, SessionInitAck)
        return ack

    def lose_socket(self) -> None:
        """Cut the line."""
        self.outbox.is_open = False
        self.tell(SocketLost(self.outbox))

    def chunk(self, seq: int, audio: bytes, *, final: bool = False) -> None:
        """Say a chunk."""
        self.tell(ChunkArrived(audio, seq, is_final=final))

    # ---- the actor --------------------------------------------------------------------------

    def tell(self, *messages: Any) -> None:
        """Have the actor handle messages, after those that wait."""
        self.mailbox.messages += messages
        self.deliver()

    def deliver(self) -> None:
        """Have the actor handle what waits."""
        for message in self.mailbox.take():
            self.actor.on_receive(message)
        self._answer_notes()

    def _answer_notes(self) -> None:
        """The store takes what is to be kept, at once."""
        notes = self.dispatcher.of(RecordSession)
        for note in notes[self._notes_answered :]:
            self._notes_answered += 1
            self.actor.on_receive(SessionRecorded(note.end_seq, note.serial))

    def advance_to(self, now_ms: float) -> None:
        """Let time pass."""
        self.clock.advance_to(now_ms)
        self._answer_notes()

    @property
    def cuts(self) -> list[UtteranceCut]:
        """What the dispatcher was told to do, oldest first."""
        return self.dispatcher.of(UtteranceCut)

    def answer(self, cut: UtteranceCut, text: str = "hello", voice: str = "dm9pY2U=") -> None:
        """End the job of a cut with a translation."""
        result = JobResult(
            job_id=NodeJobId(cut.spec.job_id),
            success=True,
            text_asr=text,
            text_translated=f"[{text}]",
            tts_audio=voice,
            tts_format="opus",
        )
        self.tell(JobEnded(cut.spec.job_id, JobState.DONE, None, result, 1, None))

    # ---- what was heard ---------------------------------------------------------------------

    def outcomes(self) -> list[TranslationResult | MissingResult]:
        """Return the outcomes on the present socket."""
        kinds = (TranslationResult, MissingResult)
        return [message for message in self.outbox.messages if isinstance(message, kinds)]

    def delivered(self) -> list[int | None]:
        """Return their `delivery_seq`."""
        return [outcome.delivery_seq for outcome in self.outcomes()]

    def acked(self) -> list[int]:
        """Return the `next_seq` of each `audio_ack` on the present socket."""
        return [ack.next_seq for ack in self.outbox.of(AudioAck)]
