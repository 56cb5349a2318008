"""SessionRecord: what the store keeps so that another instance can go on with a session. Pure.

It is written with each dispatch, in the same script, so it costs no round trip. It holds no audio:
the client keeps that and sends it again, and the boundaries here cut it where it was cut before.
What became of the cuts is in the recorded outcomes and in the jobs themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

from pydantic_core import from_json, to_json

from actors.session.cut import Cut, CutReason
from actors.session.profile.job_spec import Numbers
from actors.session.record.saved_room import AudienceRecord, HeardRecord, RoomRecord
from protocol.audio.framing import AudioFormat
from protocol.ids import JobId, TurnId


@dataclass(frozen=True, slots=True)
class CutRecord:
    """One cut: which audio it took, and what it was."""

    number: int
    """Counts the cuts of the session from 1; in a regular session its `delivery_seq`. What only
    others hear, in a room, counts down from -1: it has no place among them."""
    index: int
    job_id: JobId
    reason: CutReason
    audio_format: AudioFormat
    sample_rate_hz: int
    duration_ms: int
    turn_id: TurnId
    turn_part: int
    first_seq: int | None = None
    """Lowest `seq` in it, the final's included; None: it took no chunk."""
    last_seq: int | None = None
    closing: bool = False
    request: str | None = None
    """What its message asked for, as JSON; None: what the session asked for when it began."""
    start_ms: int = 0
    """Where it begins in all audio of its session."""
    lane: str | None = None
    """Its language, if the speaker hears it in several."""
    further_language: str | None = None
    """What tells it apart at the nodes from the first of them."""
    heard_by: AudienceRecord | None = None
    """Set in a room; None: its speaker alone."""

    def text(self) -> bytes:
        """Return it as JSON."""
        data: dict[str, Any] = {
            "number": self.number,
            "index": self.index,
            "job_id": self.job_id,
            "reason": self.reason.value,
            "audio_format": self.audio_format.value,
            "sample_rate_hz": self.sample_rate_hz,
            "duration_ms": self.duration_ms,
            "turn_id": self.turn_id,
            "turn_part": self.turn_part,
            "first_seq": self.first_seq,
            "last_seq": self.last_seq,
        }
        if self.closing or self.request is not None:
            data |= {"closing": self.closing, "request": self.request}
        if self.start_ms:
            data["start_ms"] = self.start_ms
        if self.lane is not None:
            data |= {"lane": self.lane, "further_language": self.further_language}
        if self.heard_by is not None:
            data["heard_by"] = self.heard_by.as_json()
        return to_json(data)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """Read what `text` wrote; what a later version added is passed over."""
        known = {name: data[name] for name in _names(cls) if name in data}
        known["reason"] = CutReason(data["reason"])
        known["audio_format"] = AudioFormat(data["audio_format"])
        if heard_by := known.get("heard_by"):
            known["heard_by"] = AudienceRecord.of(heard_by)
        return cls(**known)


@dataclass(frozen=True, slots=True)
class EndRecord:
    """A cut that ended without a job, and so without a recorded outcome."""

    number: int
    index: int
    language: str
    job_id: JobId
    reason: str


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """A turn that goes on behind the last cut."""

    turn_id: TurnId
    next_part: int
    ticks: int
    """Audio in its segments so far, in 1/48000 s."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """Everything but the cuts, which are kept as text because most are written several times."""

    number: int
    """How many cuts were made."""
    end_seq: int = 0
    """The first `seq` that belongs to no cut."""
    joined_seq: int = -1
    """The latest `seq` that came within a hangover, and so joined what a final ended."""
    next_index: int = 0
    has_first_index: bool = False
    """It has heard the first `seq`, from which a page's indexes count."""
    client_indexes: tuple[int, ...] = ()
    """Indexes the client brought: runs as start, end, start, end, …"""
    audio_format: AudioFormat | None = None
    sample_rate_hz: int = 16_000
    wishes: str = ""
    """What it asks for otherwise than when it began, as JSON."""
    heard_ticks: int = 0
    """Length of all audio before `end_seq`, in 1/48000 s."""
    streams: tuple[tuple[int, int], ...] = ()
    """Streams that can only be read from their begin: first and last `seq`; -1: it goes on."""
    client_cuts: bool = False
    """The client ends utterances itself."""
    turn: TurnRecord | None = None
    passed: tuple[int, ...] = ()
    """Cuts that later ones were delivered before, and that were not delivered since."""
    crossed: tuple[int, ...] = ()
    """Those of them that only cuts in other languages were delivered before."""
    late: tuple[tuple[int, int], ...] = ()
    """Cuts that were delivered late: number and `delivery_seq`."""
    ends: tuple[EndRecord, ...] = ()
    closing: bool = False
    """Nothing more is taken; with the last outcome the session is over."""
    acknowledge: bool = False
    """The client asked for the end and waits for `session_close_ack`."""
    room: RoomRecord | None = None
    """The room that it is in."""
    heard: tuple[HeardRecord, ...] = ()
    """What others spoke there and it was not sent."""
    member_cut_count: int = 0
    """How many cuts were made that only others hear."""
    cuts: tuple[CutRecord, ...] = ()
    """Those whose audio may have to be sent again, in order, without a gap."""
    member_cuts: tuple[CutRecord, ...] = ()
    """Those that only others hear, until all of them have the outcome."""

    def text(self, cuts: list[bytes], member_cuts: Sequence[bytes] = ()) -> str:
        """Return it as JSON, with cuts that were written before."""
        parts = [to_json(_filled(self, _HEAD_FIELDS))[:-1], b',"cuts":[', b",".join(cuts), b"]"]
        if member_cuts:
            parts += [b',"member_cuts":[', b",".join(member_cuts), b"]"]
        return b"".join((*parts, b"}")).decode()

    @classmethod
    def of(cls, text: str) -> Self:
        """Read what `text` wrote; empty: nothing was cut yet."""
        data: dict[str, Any] = from_json(text) if text else {"number": 0}
        known = {name: data[name] for name in _names(cls) if name in data}
        if turn := known.get("turn"):
            known["turn"] = TurnRecord(turn["turn_id"], turn["next_part"], turn["ticks"])
        if audio_format := known.get("audio_format"):
            known["audio_format"] = AudioFormat(audio_format)
        for name in ("client_indexes", "passed", "crossed"):
            known[name] = tuple(known.get(name, ()))
        known["streams"] = tuple((first, last) for first, last in known.get("streams", ()))
        known["late"] = tuple((number, seq) for number, seq in known.get("late", ()))
        ends = known.get("ends", ())
        known["ends"] = tuple(
            EndRecord(**{name: end[name] for name in _names(EndRecord)}) for end in ends
        )
        for name in ("cuts", "member_cuts"):
            known[name] = tuple(CutRecord.of(cut) for cut in known.get(name, ()))
        if room := known.get("room"):
            known["room"] = RoomRecord(room["code"], room.get("first_language"))
        known["heard"] = tuple(HeardRecord.of(one) for one in known.get("heard", ()))
        return cls(**known)


def saved_cut(
    cut: Cut, numbers: Numbers, request: str | None, heard_by: AudienceRecord | None = None
) -> CutRecord:
    """Return what is kept of a cut."""
    return CutRecord(
        number=numbers.cut,
        index=numbers.utterance_index,
        job_id=numbers.job_id,
        reason=cut.reason,
        audio_format=cut.audio_format,
        sample_rate_hz=cut.sample_rate_hz,
        duration_ms=cut.duration_ms,
        turn_id=cut.turn_id,
        turn_part=cut.turn_part,
        first_seq=cut.first_seq,
        last_seq=cut.last_seq,
        closing=cut.closing,
        request=request,
        start_ms=cut.start_ms,
        heard_by=heard_by,
    )


def cut_of(saved: CutRecord, padding_ms: int) -> Cut:
    """Return the cut as it was made, without its audio."""
    return Cut(
        reason=saved.reason,
        audio=b"",
        audio_format=saved.audio_format,
        sample_rate_hz=saved.sample_rate_hz,
        duration_ms=saved.duration_ms,
        turn_id=saved.turn_id,
        turn_part=saved.turn_part,
        ends_turn=saved.reason is not CutReason.MAX_DURATION,
        closing=saved.closing,
        first_seq=saved.first_seq,
        last_seq=saved.last_seq,
        padding_ms=padding_ms,
        start_ms=saved.start_ms,
        first_chunk_at_ms=0.0,
    )


def _names(kind: type[Any]) -> list[str]:
    return [each.name for each in fields(kind)]


def _filled(record: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that say something; names of enums are text, which is written faster."""
    filled = {}
    for name, default in defaults.items():
        value = getattr(record, name)
        if value != default:
            filled[name] = value.value if isinstance(value, StrEnum) else value
    return filled


_HEAD_FIELDS = {each.name: each.default for each in fields(SessionRecord)}
for _name in ("cuts", "member_cuts"):
    del _HEAD_FIELDS[_name]


KEPT = 200
"""Exceptions among so many of the latest deliveries are kept: nobody asks for earlier ones."""


class DeliveryOrder:
    """Numbers of cuts in the order of their delivery, as far as it is decided."""

    def __init__(
        self,
        passed: Iterable[int] = (),
        late: Mapping[int, int] | None = None,
        crossed: Iterable[int] = (),
    ) -> None:
        self.passed = set(passed)
        self.crossed = set(crossed)
        """Those of them that only other languages went out before: they keep their own's order."""
        self.late = dict(late or {})
        """Cut → its `delivery_seq`."""

    def __repr__(self) -> str:
        return f"<DeliveryOrder passed={sorted(self.passed)} late={self.late}>"

    def pass_over(self, number: int) -> None:
        """A later cut goes out before this one."""
        self.passed.add(number)
        self.crossed.discard(number)

    def cross(self, number: int) -> None:
        """A later cut goes out before this one, in another language."""
        self.passed.add(number)
        self.crossed.add(number)

    def deliver_late(self, number: int, delivery_seq: int) -> None:
        """A cut that was passed goes out now."""
        self.passed.discard(number)
        self.crossed.discard(number)
        self.late = {cut: seq for cut, seq in self.late.items() if seq > delivery_seq - KEPT}
        self.late[number] = delivery_seq

    def sequence(self, count: int) -> dict[int, int]:
        """Return the `delivery_seq` of each cut up to this one, in order of delivery.

        Passed ones have none yet.
        """
        at = {seq: number for number, seq in self.late.items()}
        regular = (
            number
            for number in range(1, count + 1)
            if number not in self.passed and number not in self.late
        )
        order: dict[int, int] = {}
        seq = 0
        for number in regular:
            seq += 1
            while seq in at:
                order[at[seq]] = seq
                seq += 1
            order[number] = seq
        while seq + 1 in at:
            seq += 1
            order[at[seq]] = seq
        return order
