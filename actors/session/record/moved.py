"""TakenOverSession: a session that began on another instance, as it is found in the store. Pure.

It says which cuts have their outcome and what it is, and which are open. The client says what it
has heard last; that counts, too, for an outcome may have been sent and its record be lost.
"""

from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from actors.messages.job import Work
from actors.session.options import UplinkOptions
from actors.session.profile.job_spec import Numbers, spec_of, work_of
from actors.session.profile.profile import SessionProfile
from actors.session.profile.request import Request, asked_by
from actors.session.profile.resumption import TokenMint, TokenNumber
from actors.session.record.saved import CutRecord, DeliveryOrder, SessionRecord, cut_of
from actors.session.record.saved_room import HeardRecord
from protocol.errors import MissingReason
from protocol.ids import JobId, RequestId
from storage.job import JobSpec
from storage.replies.session import Claimed, FollowingJob

_UNRECORDED = 1000
"""So many outcomes beyond those recorded a client may have heard while the store was away."""


@dataclass(frozen=True, slots=True)
class KnownOutcome:
    """What became of a cut, as far as it is recorded: words, no speech."""

    number: int
    job_id: JobId
    utterance_index: int
    language: str
    reason: MissingReason | None
    recorded: dict[str, Any]
    """What the record holds besides."""


@dataclass(frozen=True, slots=True)
class KnownHeard:
    """What another member of its room spoke, as it was sent: no speech."""

    key: RequestId
    message: dict[str, Any] | None
    """The message; None: it was sent, and is not kept."""


@dataclass(frozen=True, slots=True)
class TakenOverSession:
    """What it takes to go on with a session."""

    profile: SessionProfile
    mint: TokenMint
    presented: TokenNumber
    epoch: int
    saved: SessionRecord
    outcomes: dict[int, KnownOutcome]
    """By number of the cut."""
    heard_outcomes: dict[int, KnownHeard]
    """What others spoke in its room and it was sent, by number."""
    jobs: dict[JobId, FollowingJob]
    last_delivery_seq: int
    """The last outcome that the client has."""
    are_recorded: bool = True
    """Outcomes are recorded: what has neither a job nor a record has not begun."""

    @classmethod
    def of(
        cls,
        profile: SessionProfile,
        token: tuple[TokenMint, TokenNumber],
        claimed: Claimed,
        last_delivery_seq: int,
        *,
        are_recorded: bool = True,
    ) -> "TakenOverSession":
        """Put together what the store returned."""
        saved = SessionRecord.of(claimed.session_state)
        return cls(
            profile,
            *token,
            claimed.epoch,
            saved,
            _outcomes(saved, claimed),
            {
                each.cut: KnownHeard(
                    each.heard_key, from_json(each.outcome) if each.outcome else None
                )
                for each in claimed.outcomes
                if each.heard_key is not None
            },
            {job.job_id: job for job in claimed.jobs},
            min(last_delivery_seq, saved.number + _UNRECORDED),
            are_recorded,
        )

    def job(self, saved: CutRecord, options: UplinkOptions) -> tuple[JobSpec, Work]:
        """Return a cut as its job was made, with the time that it has left."""
        asked = saved.request
        request = asked_by(self.profile, None) if asked is None else Request.restored(asked)
        cut = cut_of(saved, options.segmenter.padding_for_ms(saved.reason))
        job = self.jobs.get(saved.job_id)
        left_ms = options.job_lifetime_ms if job is None else job.deadline_in_ms
        numbers = Numbers(saved.job_id, saved.index, self.epoch, saved.number)
        heard_by = saved.heard_by
        further = saved.further_language if heard_by is None else heard_by.further_language
        spec = spec_of(self.profile, request, cut, numbers, left_ms)
        work = work_of(request, cut, further)
        if job is not None and spec.is_of_turn and not job.stays_in_turn:
            spec = spec.alone()
            work = work.alone(spec.turn_id)
        return spec, work

    @property
    def order(self) -> DeliveryOrder:
        """Return which cut went out, or goes out, under which number."""
        return DeliveryOrder(self.saved.passed, dict(self.saved.late), self.saved.crossed)

    @property
    def count(self) -> int:
        """How many cuts were made, as far as is known."""
        return max(self.saved.number, self.last_delivery_seq + len(self.saved.passed))

    def heard(self) -> set[int]:
        """Return the numbers of the cuts whose outcome the client has."""
        sequence = self.order.sequence(self.count)
        return {number for number, seq in sequence.items() if seq <= self.last_delivery_seq}

    def open_heard(self) -> dict[int, HeardRecord]:
        """Return what others spoke and the client was not sent, by number."""
        heard = self.heard_outcomes.keys() | self.heard()
        return {one.number: one for one in self.saved.heard if one.number not in heard}

    def is_open(self, cut: CutRecord, told_before_ms: int) -> bool:
        """Return whether a cut that only others hear has no outcome yet.

        Its job goes on, or there never was one: had it ended, that would be recorded. What was cut
        before `told_before_ms` (Unix ms) ended long ago.
        """
        if cut.number in self.outcomes or cut.heard_by is None:
            return False
        is_young = cut.heard_by.cut_at_ms >= told_before_ms
        return cut.job_id in self.jobs or (self.are_recorded and is_young)


def _outcomes(saved: SessionRecord, claimed: Claimed) -> dict[int, KnownOutcome]:
    known = {
        end.number: KnownOutcome(
            end.number, end.job_id, end.index, end.language, MissingReason(end.reason), {}
        )
        for end in saved.ends
    }
    for each in claimed.outcomes:
        if each.heard_key is not None:
            continue
        recorded = from_json(each.outcome)
        reason = recorded.get("reason")
        if each.cut:
            known[each.cut] = KnownOutcome(
                each.cut,
                each.job_id,
                each.utterance_index,
                each.language,
                None if reason is None else MissingReason(reason),
                recorded,
            )
    return known
