"""Rooms: what people need to hear each other, put together.

The composition of the rooms' actors and of what turns speech into samples. It stops after the
sockets, and before the links that its members on other instances are reached by.
"""

from collections.abc import Callable
from typing import cast

from loguru import logger

from actors.directory import Directory
from actors.messages.process import StoreEmptied
from actors.messages.room import SeatRefused, TakeSeat
from actors.ports import Mailbox
from actors.room.actor import RoomActor
from actors.room.setup import RoomSetup
from actors.room.transcoder import TranscoderActor
from actors.runtime.actor import ActorFailed, ActorRef, Supervise, tell
from cli.settings.settings import Settings
from peers.engines.opus_codec import OpusCodec
from protocol.errors import ErrorCode
from storage.call import ScriptRunner
from storage.rooms import RoomRepository


class Rooms:
    """Life: made, `start`ed, `stop`ped. Restarts what fails, for the supervisor."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        store: ScriptRunner,
        rooms: RoomRepository,
        wall_ms: Callable[[], int],
    ) -> None:
        self._directory = directory
        self._codec = OpusCodec()
        self._supervisor: Supervise | None = None
        self._transcoder: ActorRef[TranscoderActor] | None = None
        self.setup = RoomSetup(
            directory=directory,
            store=store,
            rooms=rooms,
            options=settings.room,
            grace_ms=int(settings.session.session_grace_seconds * 1000),
            wall_ms=wall_ms,
            start=self._start_room,
        )

    def start(self, supervisor: Supervise) -> None:
        """Start what all rooms share."""
        self._supervisor = supervisor
        if self._codec.is_available():
            self._start_transcoder()
        else:
            logger.info("without PyAV (extra `rooms`) speech in rooms is opus for everybody")

    async def stop(self) -> None:
        """Stop all actors; let go of the codec."""
        for room in list(self.setup.actors.values()):
            await cast("ActorRef[RoomActor]", room).stop(block=False)
        if self._transcoder is not None:
            await self._transcoder.stop(block=False)
        await self._codec.close()

    def restart_room(self, failure: ActorFailed) -> Mailbox:
        """Start a successor; it reads the room from the store."""
        for message in failure.failed:
            if isinstance(message, TakeSeat):
                session = self._directory.sessions.get(message.seat.session_id)
                if session is not None:
                    tell(session, SeatRefused(ErrorCode.INTERNAL_ERROR, "the room failed"))
        code = failure.key or None
        ref = self._start_room(code)
        if code is not None:
            self.setup.actors[code] = ref
            tell(ref, StoreEmptied())  # it looks what the store has
        return ref

    def restart_transcoder(self, _failure: ActorFailed) -> Mailbox:
        """Start a successor."""
        return self._start_transcoder()

    def _start_room(self, code: str | None) -> Mailbox:
        return RoomActor.start(self.setup, code, supervisor=self._supervisor)

    def _start_transcoder(self) -> Mailbox:
        ref = TranscoderActor.start(self._codec, self._directory, supervisor=self._supervisor)
        self._transcoder = self.setup.transcoder = ref
        return ref
