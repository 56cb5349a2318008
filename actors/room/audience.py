"""Who hears an utterance, and in which languages jobs are made for it. Pure.

The rules:

- Who is alone, or in no room, hears the translation of its own words.
- In a room there is one job per distinct language among the listeners, none for the speaker's own:
  who understands the speaker reads the recognised text of one of the jobs, and if there is none, of
  a job that only recognises. Languages are the same when their tags match, however written.
- The segments of a turn belong together: what an open segment was translated into, the later ones
  are as well, for its listeners too, whoever has come or gone meanwhile.
- Nodes know a session by one id per language: a further language carries a suffix, always the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from actors.messages.room import Listener
from protocol.languages import closest, is_same_language
from storage.room import Seat


class Readers:
    """Listeners who understand the speaker: the first job with recognised text serves them.

    Shared by the jobs of one utterance. Life: until they are served, or the last job has ended.
    """

    __slots__ = ("all", "jobs_left", "waiting")

    def __init__(self, listeners: tuple[Listener, ...], jobs: int) -> None:
        self.all = listeners
        self.waiting = listeners
        self.jobs_left = jobs

    def job_ended(self, *, has_text: bool) -> tuple[Listener, ...]:
        """Note the end of one of the jobs; return who hears its outcome."""
        self.jobs_left -= 1
        if not has_text and self.jobs_left:
            return ()
        served, self.waiting = self.waiting, ()
        return served


@dataclass(frozen=True, slots=True)
class Track:
    """One language in which an utterance is asked for."""

    language: str
    listeners: tuple[Listener, ...] = ()
    """Members of the room who hear it."""
    for_speaker: bool = False
    """The speaker hears it."""
    translates: bool = True
    """False: only the recognised text is wanted."""
    further_language: str | None = None
    """What tells it apart at the nodes from the speaker's first language."""


@dataclass(frozen=True, slots=True)
class Audience:
    """All who hear one utterance."""

    tracks: tuple[Track, ...]
    """At least one, each of another language."""
    readers: tuple[Listener, ...] = ()
    """Who understand the speaker."""


def listener_of(seat: Seat) -> Listener:
    """Return a member as one who hears."""
    return Listener(
        seat.session_id, seat.instance_id, seat.language, seat.wants_pcm16, seat.resumes
    )


def audience(
    listeners: Iterable[Listener],
    source: str,
    target: str,
    open_tracks: Iterable[Track] = (),
    first_language: str | None = None,
) -> Audience:
    """Decide who hears an utterance.

    Args:
        listeners: The members of the room who listen; none: the speaker is alone.
        source: The speaker's language; `auto` is nobody's.
        target: What the speaker alone is translated into.
        open_tracks: Of the open segments of the same turn.
        first_language: The language that carries no suffix, if there was one before.
    """
    listeners, open_tracks = tuple(listeners), tuple(open_tracks)
    readers = tuple(one for one in listeners if is_same_language(one.language, source))
    open_languages = [track.language for track in open_tracks]
    wanted: dict[str, Track] = {}
    for listener in listeners:
        if listener not in readers:
            language = closest(listener.language, (*open_languages, *wanted))
            _add(wanted, Track(language or listener.language, (listener,)))
    if not listeners:
        _add(wanted, Track(target, for_speaker=True))
    for track in open_tracks:
        _add(wanted, track)
    if not wanted:
        _add(wanted, Track(source, translates=False))
    return Audience(_told_apart(wanted, first_language), readers)


def _add(wanted: dict[str, Track], track: Track) -> None:
    """Enter a track; one of the same language takes its listeners in."""
    known = wanted.get(track.language)
    if known is None:
        wanted[track.language] = track
        return
    wanted[track.language] = Track(
        track.language,
        tuple(dict.fromkeys((*known.listeners, *track.listeners))),
        known.for_speaker or track.for_speaker,
        known.translates or track.translates,
        known.further_language or track.further_language,
    )


def _told_apart(wanted: dict[str, Track], first_language: str | None) -> tuple[Track, ...]:
    """Give every language but one a suffix: the one of the session's first language, if it can."""
    plain = first_language if first_language is not None else next(iter(wanted))
    for_speaker = [track.language for track in wanted.values() if track.for_speaker]
    if for_speaker:
        plain = for_speaker[0]  # it was without a suffix before, and its turn goes on
    return tuple(
        Track(
            track.language,
            track.listeners,
            track.for_speaker,
            track.translates,
            None if track.language == plain else track.language,
        )
        for track in wanted.values()
    )
