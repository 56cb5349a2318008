"""MovedSession: a session that began on another instance, as it is found in the store. Pure.

It says which cuts have their outcome and what it is, and which are open. The client says what it
has heard last; that counts, too, for an outcome may have been sent and its record be lost.
"""

from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from actors.delivery_order import DeliveryOrder
from actors.messages import Work
from actors.profile import Numbers, Request, SessionProfile, asked_by, spec_of, work_of
from actors.resume_token import TokenMint, TokenNumber
from actors.saved_session import SavedCut, SavedSession, cut_of
from actors.uplink_options import UplinkOptions
from protocol.errors import MissingReason
from protocol.ids import JobId
from storage.job import JobSpec
from storage.session_replies import Claimed, FollowingJob

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
    said: dict[str, Any]
    """What the record holds besides."""


@dataclass(frozen=True, slots=True)
class MovedSession:
    """What it takes to go on with a session."""

    profile: SessionProfile
    mint: TokenMint
    presented: TokenNumber
    epoch: int
    saved: SavedSession
    outcomes: dict[int, KnownOutcome]
    """By number of the cut."""
    jobs: dict[JobId, FollowingJob]
    last_delivery_seq: int
    """The last outcome that the client has."""

    @classmethod
    def of(
        cls,
        profile: SessionProfile,
        token: tuple[TokenMint, TokenNumber],
        claimed: Claimed,
        last_delivery_seq: int,
    ) -> "MovedSession":
        """Put together what the store returned."""
        saved = SavedSession.of(claimed.session_state)
        return cls(
            profile,
            *token,
            claimed.epoch,
            saved,
            _outcomes(saved, claimed),
            {job.job_id: job for job in claimed.jobs},
            min(last_delivery_seq, saved.number + _UNRECORDED),
        )

    def job(self, saved: SavedCut, options: UplinkOptions) -> tuple[JobSpec, Work]:
        """Return a cut as its job was made, with the time that it has left."""
        asked = saved.request
        request = asked_by(self.profile, None) if asked is None else Request.restored(asked)
        cut = cut_of(saved, options.segmenter.padding_for_ms(saved.reason))
        job = self.jobs.get(saved.job_id)
        left_ms = options.job_lifetime_ms if job is None else job.deadline_in_ms
        numbers = Numbers(saved.job_id, saved.index, self.epoch, saved.number)
        return spec_of(self.profile, request, cut, numbers, left_ms), work_of(request, cut)

    @property
    def order(self) -> DeliveryOrder:
        """Return which cut went out, or goes out, under which number."""
        return DeliveryOrder(self.saved.passed, dict(self.saved.late))

    @property
    def count(self) -> int:
        """How many cuts were made, as far as is known."""
        return max(self.saved.number, self.last_delivery_seq + len(self.saved.passed))

    def heard(self) -> set[int]:
        """Return the numbers of the cuts whose outcome the client has."""
        sequence = self.order.sequence(self.count)
        return {number for number, seq in sequence.items() if seq <= self.last_delivery_seq}


def _outcomes(saved: SavedSession, claimed: Claimed) -> dict[int, KnownOutcome]:
    known = {
        end.number: KnownOutcome(
            end.number, end.job_id, end.index, end.language, MissingReason(end.reason), {}
        )
        for end in saved.ends
    }
    for each in claimed.outcomes:
        said = from_json(each.outcome)
        reason = said.get("reason")
        if each.cut:
            known[each.cut] = KnownOutcome(
                each.cut,
                each.job_id,
                each.utterance_index,
                each.language,
                None if reason is None else MissingReason(reason),
                said,
            )
    return known
