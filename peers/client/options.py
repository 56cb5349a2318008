"""What a reference client can be told. Owns names, units and defaults, nothing else."""

from dataclasses import dataclass, field

from protocol.audio.framing import AudioFormat


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Settings of one session."""

    url: str = "ws://127.0.0.1:5010/ws/session"
    """Where the scheduler takes clients; without a path its usual one is meant."""
    src_lang: str = "en"
    """Language that is spoken; `auto`: the node finds out."""
    tgt_lang: str = "es"
    """Language that is wanted."""
    tgt_langs: tuple[str, ...] = ()
    """Several languages that are wanted, in place of that one."""
    subtitles: bool = False
    """Text alone: nobody has to speak."""
    hints: tuple[str, ...] = ()
    """Names and terms that the recogniser should expect."""
    voice: str | None = None
    """Who shall speak, where the node has that voice."""
    audio_format: AudioFormat | None = None
    """How speech is sent; None: opus where it is installed, else PCM16."""
    binary_frames: bool = False
    """Send audio as binary frames instead of JSON, if the scheduler agrees."""
    chunk_ms: int = 256
    """Audio per message."""
    cut_silence_ms: int | None = None
    """End the utterance after so much silence behind speech; None: only where `stream` ends."""
    partials: bool = True
    """Ask for the text recognised so far."""
    token: str | None = field(default=None, repr=False)
    """Sent as `Authorization: Bearer`, where the scheduler wants one."""
    heartbeat_ms: int = 25_000
    """Between two heartbeats."""
    ack_timeout_ms: int = 10_000
    """Without an answer to `session_init` for so long, there is no session."""
    unheard_ms: int = 3_000
    """An utterance of which nothing is heard for so long made no job: it was silent."""
    close_timeout_ms: int = 20_000
    """How long the end of a session may take: the server first finishes what is open."""
    resume: bool = True
    """Go on with the session after a lost line, if the scheduler agrees."""
    resume_within_ms: int = 30_000
    """A line that is down for longer ends the session: the scheduler has given it up by then."""
    resume_first_ms: int = 200
    """Wait before the first attempt to come back; twice as long before each further one."""
    resume_longest_ms: int = 3_000
    """The longest such wait."""
