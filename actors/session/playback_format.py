"""PlaybackFormat: whether speech is turned into PCM16 before a session's own client hears it.

Because it asked for it, or because it is the browser's page and in a room, where that plays nothing
else. What other members hear is not its matter (`session.member.speaking`). Where nobody here can
decode, speech comes as the node sent it, under its true format.
"""

from actors.messages.job import JobEnded, ResultReplaced
from actors.ports import Mailbox
from actors.room.transcoder import ConvertSpeech, ListenerCame
from actors.runtime.actor import tell
from actors.session.parts import Parts
from protocol.audio.framing import AudioFormat


class PlaybackFormat:
    """What one session's client plays."""

    __slots__ = ("_can_change", "_parts", "_setup")

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._setup = parts.setup.rooms
        self._can_change = parts.profile.wants_pcm16 and self._setup is not None
        """Few clients play PCM16 only: all others are asked nothing."""
        transcoder = None if self._setup is None else self._setup.transcoder
        if parts.profile.tts_format is AudioFormat.PCM16 and transcoder is not None:
            tell(transcoder, ListenerCame())

    def puts_off(self, message: JobEnded | ResultReplaced) -> bool:
        """Whether it comes again as `SpeechConverted`, and is not taken now."""
        if not self._can_change or message.result is None or not message.result.tts_audio:
            return False
        if (message.result.tts_format or "").lower() != AudioFormat.OPUS:
            return False
        transcoder = self._transcoder()
        if transcoder is None or not self._is_heard(message):
            return False
        return tell(transcoder, ConvertSpeech(self._parts.ref, message))

    def _transcoder(self) -> Mailbox | None:
        profile, member = self._parts.profile, self._parts.room.member
        applies = profile.tts_format is AudioFormat.PCM16 or (
            member is not None and member.hears_as_in_room
        )
        return self._setup.transcoder if applies and self._setup is not None else None

    def _is_heard(self, message: JobEnded | ResultReplaced) -> bool:
        """Whether the client hears it, and not others alone."""
        utterance = self._parts.uplink.open.jobs.get(message.job_id)
        if utterance is None:
            return isinstance(message, ResultReplaced)
        return utterance.track is None or utterance.track.for_speaker
