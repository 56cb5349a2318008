"""What an operator may set about converting audio. Must not: decide anything."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True, slots=True)
class MediaOptions:
    """Bounds of the processes that convert audio (extra `media`)."""

    media_processes: Annotated[int, Ge(0)] = 4
    """Sessions whose audio is converted at the same time, each in a process of its own; a further
    one hears UNSUPPORTED_AUDIO. 0: nothing is converted."""
    media_cpu_share: Annotated[float, Gt(0), Le(1)] = 0.25
    """Share of one core that the audio of a session may use, on average."""
    media_memory_bytes: Annotated[int, Ge(64 * 1024 * 1024)] = 512 * 1024 * 1024
    """Address space of each of these processes."""
    media_stall_ms: Annotated[int, Ge(100)] = 10_000
    """Milliseconds after which a process that converts nothing of what it was given is ended."""
    vad_sessions: Annotated[int, Ge(0)] = 8
    """Sessions at a time in which a network hears who speaks (extra `vad`); it takes about 2 % of
    a core for each. All others are judged by the built-in rule."""
    media_idle_ms: Annotated[int, Ge(0)] = 30_000
    """Milliseconds without audio after which a session's process goes to one that needs it."""
