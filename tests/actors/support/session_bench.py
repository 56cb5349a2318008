"""A session's actor that was built, not started, between a recording dispatcher and a socket."""

from itertools import count
from typing import Any

from pykka.messages import _ActorStop  # how an actor asks itself to stop

from actors.directory import Directory
from actors.held_audio import HeldAudio
from actors.lease import StallWatch
from actors.messages.job import JobEnded, UtteranceCut
from actors.messages.session import ChunkArrived, CloseRequested, SocketLost, UtteranceArrived
from actors.session.actor import SessionActor
from actors.session.options import (
    DownlinkOptions,
    SegmenterOptions,
    SequencerOptions,
    UplinkOptions,
)
from actors.session.presence.presence import Presence
from actors.session.profile.profile import SessionProfile
from actors.session.setup import SessionSetup
from actors.waiting_jobs import WaitingJobs
from protocol.audio.framing import AudioFormat
from protocol.errors import MissingReason
from protocol.ids import NodeId, NodeJobId, SessionId, TraceId
from protocol.messages.node_inbound import JobResult
from protocol.messages.session_inbound import Utterance
from protocol.messages.session_outbound import MissingResult, TranslationResult
from storage.job import JobState
from tests.actors.support.speaker import pcm
from tests.support.inbox_entry import message_in
from tests.support.null_metrics import NullMetrics
from tests.support.recording import HandClock, RecordingOutbox, RecordingRef

SID = SessionId("s-1")
WALL_MS = 1_800_000_000_000
GRACE_MS = 30_000
FLUSH_MS = 10_000
LIFETIME_MS = 100_000
GAP_MS = 5_000


class SessionBench:
    """One session; short words for what its client and the dispatcher tell it."""

    def __init__(  # every keyword is optional and named at the call
        self,
        *,
        segmenter: SegmenterOptions | None = None,
        max_held_bytes: int = 1 << 30,
        keep_audio: bool = True,
        start: bool = True,
        stall_watch: StallWatch | None = None,
        waiting: WaitingJobs | None = None,
        **profile: Any,
    ) -> None:
        self.clock = HandClock(1000.0)
        self.directory = Directory()
        self.dispatcher = RecordingRef("dispatcher")
        self.directory.dispatcher = self.dispatcher
        self.presence = Presence()
        self.held = HeldAudio(max_held_bytes)
        self.outbox = RecordingOutbox()
        self._seqs = count()
        setup = SessionSetup(
            directory=self.directory,
            presence=self.presence,
            held=self.held,
            metrics=NullMetrics(),
            uplink=UplinkOptions(
                segmenter=segmenter or SegmenterOptions(),
                tiny_utterance_ms=1000,
                job_lifetime_ms=LIFETIME_MS,
                overdue_ms=GAP_MS,
            ),
            downlink=DownlinkOptions(SequencerOptions(GAP_MS), 200, 1 << 20),
            grace_ms=GRACE_MS,
            close_flush_ms=FLUSH_MS,
            keep_audio_after_sending=keep_audio,
            wall_ms=lambda: WALL_MS + int(self.clock.now_ms),
            stall_watch=stall_watch or StallWatch(),
            waiting=waiting or WaitingJobs(),
        )
        words = {"platform": "web", "source": "en", "target": "es", "tenant_id": "t"} | profile
        self.profile = SessionProfile(session_id=SID, trace_id=TraceId("trace"), **words)
        self.actor = self.clock.hold(SessionActor(self.profile, setup, self.outbox))
        self.directory.register_session(SID, self.actor.actor_ref)
        if start:
            self.actor.on_start()

    # ---- what the client does ---------------------------------------------------------------

    def tell(self, *messages: Any) -> None:
        for message in messages:
            self.actor.on_receive(message)

    def at(self, now_ms: float) -> None:
        """Let time pass, to so many ms after the beginning."""
        self.clock.advance_to(1000.0 + now_ms)

    def wait(self, ms: float) -> None:
        self.clock.advance_to(self.clock.now_ms + ms)

    def chunk(self, duration_ms: int = 256, *, final: bool = False, sample: int = 5000) -> None:
        """Say this much PCM, loud unless the sample is 0."""
        audio = pcm(duration_ms, sample)
        self.tell(ChunkArrived(audio, next(self._seqs), is_final=final))

    def final(self) -> None:
        self.tell(ChunkArrived(b"", next(self._seqs), is_final=True))

    def speak(self, duration_ms: int = 512) -> UtteranceCut:
        """Say a whole utterance, end it by hand; return its cut."""
        before = len(self.cuts())
        self.chunk(duration_ms)
        self.final()
        self.wait(60)  # the hangover
        cuts = self.cuts()[before:]
        assert len(cuts) == 1, f"{len(cuts)} cuts"
        return cuts[0]

    def utterance(self, index: int, duration_ms: int = 1500, **fields: Any) -> None:
        """Send a whole utterance."""
        said: dict[str, Any] = {
            "manual_cut": True,
            "src_lang": "en",
            "tgt_lang": "es",
            "audio": pcm(duration_ms),
            "audio_format": AudioFormat.PCM16,
            "sample_rate": 16_000,
        } | fields
        self.tell(UtteranceArrived(Utterance(session_id=SID, utterance_index=index, **said)))

    def lose_socket(self) -> None:
        self.outbox.is_open = False
        self.tell(SocketLost(self.outbox))

    def close(self, **changes: Any) -> None:
        asked: dict[str, Any] = {"reason": "bye", "acknowledge": True} | changes
        self.tell(CloseRequested(**asked))

    # ---- what becomes of its words ----------------------------------------------------------

    def cuts(self) -> list[UtteranceCut]:
        """Return all that was told to the dispatcher, oldest first."""
        return self.dispatcher.of(UtteranceCut)

    def answer(self, cut: UtteranceCut, text: str = "hello", **said: Any) -> None:
        """Let the dispatcher bring a full result."""
        fields: dict[str, Any] = {
            "success": True,
            "text_asr": text,
            "text_translated": f"{text}!",
        } | said
        result = JobResult(job_id=NodeJobId("x"), **fields)
        self.tell(JobEnded(cut.spec.job_id, JobState.DONE, None, result, 1, NodeId("n")))

    def answer_nothing(self, cut: UtteranceCut) -> None:
        """Let the dispatcher bring an empty answer of a node."""
        result = JobResult(job_id=NodeJobId("x"), success=True)
        reason = MissingReason.SILENCE_DETECTED
        self.tell(JobEnded(cut.spec.job_id, JobState.EMPTY, reason, result, 1, NodeId("n")))

    def end(
        self,
        cut: UtteranceCut,
        reason: MissingReason = MissingReason.NODE_LOST,
        state: JobState = JobState.FAILED,
    ) -> None:
        """Let the dispatcher say that there will be no result."""
        self.tell(JobEnded(cut.spec.job_id, state, reason, None, 1, None))

    # ---- what came of it --------------------------------------------------------------------

    def outcomes(self) -> list[tuple[int, str]]:
        """Return index and text or reason of what the client was given, in order."""
        heard: list[tuple[int, str]] = []
        for message in self.outbox.messages:
            if isinstance(message, TranslationResult):
                heard.append((message.utterance_index, message.text_asr))
            elif isinstance(message, MissingResult):
                heard.append((message.utterance_index, message.reason.value))
        return heard

    @property
    def is_over(self) -> bool:
        """Whether the actor has asked itself to stop, once."""
        inbox = self.actor.actor_inbox
        stops = [one for one in inbox.queue if isinstance(message_in(one), _ActorStop)]
        assert len(stops) <= 1, "it stops more than once"
        return bool(stops)

    @property
    def deadline_ms(self) -> float | None:
        """When the actor wants to be woken, in ms after the beginning."""
        deadline_ms = self.clock.deadline_of(self.actor)
        return None if deadline_ms is None else deadline_ms - 1000.0
