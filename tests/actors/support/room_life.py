"""One session of a world of rooms: its client, its lives on one instance after another."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from actors.directory import Directory
from actors.held_audio import HeldAudio
from actors.messages.job import UtteranceCut
from actors.room.options import RoomOptions
from actors.room.setup import RoomSetup
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
from protocol.ids import InstanceId, JobId, SessionId, TraceId
from storage.replies.session import RecordedOutcome
from storage.rooms import RoomRepository
from tests.support.null_metrics import NullMetrics
from tests.support.recording import HandClock, RecordingOutbox

CODE = "123456"


LIFETIME_MS = 100_000


GAP_MS = 5_000


@dataclass
class Ref:
    """A mailbox of one life of a session; what is told there waits in the world's queue."""

    told: deque[Any]

    def tell(self, message: Any) -> None:
        """Have the message wait."""
        self.told.append(message)


@dataclass
class Kept:
    """What the store knows of one session."""

    state: str = ""
    jobs: dict[JobId, UtteranceCut] = field(default_factory=dict)
    outcomes: list[RecordedOutcome] = field(default_factory=list)


class World(Protocol):
    """What a life must know of the world around it."""

    lives: int
    clock: HandClock


class Life:
    """A session on one instance: from its first message there until it moves, or dies."""

    def __init__(self, world: World, member: "Member", moved: TakenOverSession | None) -> None:
        self.inbox: deque[Any] = deque()
        self.dispatcher: deque[Any] = deque()
        self.room: deque[Any] = deque()
        self.outbox = RecordingOutbox()
        self.member = member
        self.instance = InstanceId(f"i{world.lives}")
        self.ref = Ref(self.inbox)
        directory = Directory(self.instance, cast("Any", world))
        directory.dispatcher = Ref(self.dispatcher)
        directory.register_session(member.session_id, self.ref)
        self.presence = Presence()
        room = RoomSetup(
            directory=directory,
            store=cast("Any", None),
            rooms=cast("RoomRepository", None),
            options=RoomOptions(),
            grace_ms=0,
            wall_ms=lambda: int(world.clock.now_ms),
            start=lambda _code: Ref(self.room),
        )
        setup = SessionSetup(
            directory=directory,
            presence=self.presence,
            held=HeldAudio(1 << 28),
            metrics=NullMetrics(),
            uplink=UplinkOptions(
                SegmenterOptions(hangover_manual_ms=0), 1000, LIFETIME_MS, GAP_MS, 1000
            ),
            downlink=DownlinkOptions(SequencerOptions(GAP_MS), 200, 1 << 23),
            grace_ms=1e9,
            close_flush_ms=10_000,
            keep_audio_after_sending=True,
            wall_ms=lambda: int(world.clock.now_ms),
            rooms=room,
        )
        outbox = self.outbox if moved is None else None
        self.actor = world.clock.hold(SessionActor(member.profile, setup, outbox, moved))
        self.actor.on_start()

    @property
    def is_over(self) -> bool:
        """Whether the session has gone from here."""
        return self.actor._life.is_over


class Member:
    """One client, wherever its session is."""

    def __init__(self, name: str, language: str) -> None:
        self.session_id = SessionId(f"s-{name}")
        self.profile = SessionProfile(
            self.session_id, TraceId("t"), "t", "web", language, "xx", is_resumable=True
        )
        self.kept = Kept()
        self.audio: list[tuple[bytes, bool]] = []
        self.forgotten = 0
        self.is_up = True
        """Its socket is acknowledged."""
        self.heard: list[tuple[int | None, str, str]] = []
        """Number, speaker, text or reason."""
        self.indexes: set[int] = set()
        self.token = ""
        self.read = 0
        self.life: Life

    @property
    def last_seq(self) -> int:
        return max((seq or 0 for seq, *_ in self.heard), default=0)
