"""A session in a room between recorders."""

from dataclasses import replace
from typing import Any, cast

from actors.admission import JoinAttempts
from actors.messages.job import UtteranceCut
from actors.messages.room import (
    HeardCut,
    HeardOutcome,
    RoomRequested,
    RoomSeen,
    RoomView,
    SeatGranted,
)
from actors.messages.takeover import RecordSession, SessionRecorded
from actors.room.options import RoomOptions
from actors.room.setup import RoomSetup
from actors.session.record.saved import SessionRecord
from protocol.ids import InstanceId, RequestId, SessionId, TurnId
from protocol.messages.rooms import (
    RoomJoin,
)
from protocol.messages.session_outbound import TranslationResult
from storage.room import Seat
from storage.rooms import RoomRepository
from tests.actors.support.session_bench import SID, SessionBench
from tests.support.recording import RecordingRef

CODE = "123456"


HERE = InstanceId("")


ROOM = {"fr": SessionId("s-fr"), "de": SessionId("s-de"), "en": SessionId("s-en")}


def seat(session_id: SessionId, language: str, instance_id: InstanceId = HERE) -> Seat:
    return Seat(session_id, instance_id, language, joined_at_ms=1)


class RoomBench(SessionBench):
    """A session whose room's actor, and whose fellow members, are recorders."""

    def __init__(self, **profile: Any) -> None:
        super().__init__(**profile)
        self.room = RecordingRef("room")
        self.others = {language: RecordingRef(language) for language in ROOM}
        for language, ref in self.others.items():
            self.directory.register_session(ROOM[language], ref)
        setup = RoomSetup(
            directory=self.directory,
            store=cast("Any", None),
            rooms=cast("RoomRepository", None),
            options=RoomOptions(),
            grace_ms=0,
            wall_ms=lambda: 0,
            start=lambda _code: self.room,
        )
        self.actor._room._setup = setup
        self.attempts = JoinAttempts(10)

    def ask(self, request: Any) -> None:
        self.tell(RoomRequested(request, self.attempts))

    def enter(self, *languages: str, resuming: str = "") -> None:
        """Be in a room with members of these languages."""
        self.ask(RoomJoin(room_code=CODE))
        self.tell(SeatGranted(CODE, "r"))
        self.see(*languages, resuming=resuming)

    def see(self, *languages: str, resuming: str = "", epoch: int = 0) -> None:
        """See these in the room; one may resume, and is there under this epoch."""
        members = [seat(SID, "en"), *(seat(ROOM[language], language) for language in languages)]
        for place, language in enumerate(languages, 1):
            if language == resuming:
                members[place] = replace(members[place], resumes=True, epoch=epoch)
        self.tell(RoomSeen(RoomView(CODE, "r", 1, tuple(members))))

    def note(self) -> None:
        """Let the store have what it was told."""
        note = self.dispatcher.of(RecordSession)[-1]
        self.tell(SessionRecorded(note.end_seq, note.serial))

    def saved(self) -> SessionRecord:
        """Return what the store would be told now."""
        assert self.actor._resume is not None
        return SessionRecord.of(self.actor._resume.notes.state())

    def say(self) -> list[UtteranceCut]:
        before = len(self.cuts())
        self.chunk(512)
        self.final()
        self.wait(60)
        return self.cuts()[before:]

    def hears(self, language: str) -> list[Any]:
        return self.others[language].messages


def words_cut(number: int = 1, code: str = CODE) -> HeardCut:
    key = RequestId(f"s-fr:{number}:en")
    return HeardCut(key, ROOM["fr"], number, code, TurnId(f"turn-{number}"), "trace")


def words_ready(number: int = 1, text: str = "bonjour") -> HeardOutcome:
    result = TranslationResult(
        session_id=ROOM["fr"],
        utterance_index=number,
        job_id="job",
        text_asr=text,
        text_translated="hello",
    )
    return HeardOutcome(RequestId(f"s-fr:{number}:en"), result)
