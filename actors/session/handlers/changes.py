"""Changes: what a client wants otherwise while its session goes on.

It asks for other languages, another voice, no speech; or it does not want an utterance any more.
Both leave what was spoken before as it was. Must not: know when the session ends.
"""

from actors.messages.session import CancelRequested, UpdateRequested
from actors.session.handlers.ending import Ending
from actors.session.life import Event
from actors.session.parts import Parts
from actors.session.profile import update
from actors.session.resume.notes import Notes
from actors.session.speech import Speech
from protocol.errors import MissingReason
from storage.job import JobState


class Changes:
    """Changes of mind of one session's client."""

    def __init__(self, parts: Parts, speech: Speech, ending: Ending, notes: Notes | None) -> None:
        self._parts = parts
        self._speech = speech
        self._ending = ending
        self._notes = notes
        """None: nobody can resume the session."""

    def on(self, message: UpdateRequested | CancelRequested, now_ms: float) -> None:
        """Handle one message."""
        if isinstance(message, UpdateRequested):
            self._update(message, now_ms)
        elif message.utterance_index is None:
            self._discard(now_ms)
        else:
            self._cancel(message.utterance_index, now_ms)

    def _update(self, message: UpdateRequested, now_ms: float) -> None:
        """What was spoken so far keeps the values with which it was spoken."""
        if not self._parts.life.take(Event.ASK):
            self._speech.refuse_late()
            return
        uplink, room = self._parts.uplink, self._parts.room
        self._speech.dispatch(uplink.utterances(uplink.segmenter.finish(now_ms), now_ms))
        self._speech.streaming.settle()
        asked = update.changed(uplink.opening.wishes, message.message)
        uplink.opening.ask_for(asked)
        room.ask_for(asked)
        abilities = self._parts.setup.directory.abilities
        self._parts.downlink.send_once_noted(update.answer(asked, abilities), now_ms)

    def _discard(self, now_ms: float) -> None:
        """Throw away what was not cut; it does not come again by a resume either."""
        if not self._parts.life.is_open:
            return
        uplink = self._parts.uplink
        self._speech.dispatch(uplink.utterances(uplink.segmenter.discard(now_ms), now_ms))
        self._speech.streaming.settle()
        if self._notes is not None:
            self._notes.note()

    def _cancel(self, utterance_index: int, now_ms: float) -> None:
        """End an utterance for everybody; one that is unknown or has ended stays as it is."""
        for utterance in list(self._parts.uplink.open):
            if utterance.spec.utterance_index == utterance_index:
                reason = MissingReason.CANCELLED
                self._speech.end_everywhere(utterance, JobState.CANCELLED, reason, now_ms)
        self._ending.finish_if_done(now_ms)
