"""Takeover: which scripts bring a session here from another instance, or let go of it.

A session is looked up, its client judged, then it is claimed under a fresh epoch, and only then
does it begin to live here: whoever had it is fenced from the same moment on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from loguru import logger

from actors.dispatcher.job_driver import JobDriver
from actors.dispatcher.locating import locate
from actors.dispatcher.step import Expiry, Step
from actors.messages.session import SessionOpened
from actors.messages.takeover import (
    CANNOT_RESUME,
    LocateSession,
    RecordSession,
    ReleaseSession,
    ResumeAnswered,
    ResumeRequested,
    SessionDrained,
    SessionRecorded,
)
from actors.runtime.actor import tell
from actors.session.options import UplinkOptions
from actors.session.profile.profile import SessionProfile
from actors.session.profile.resumption import TokenMint, TokenNumber
from actors.session.record.moved import TakenOverSession
from protocol.errors import CloseCode, ErrorCode, MissingReason
from protocol.ids import session_ref
from storage.cells import Cell
from storage.replies.job import Fenced, Gone, Moved, Updated
from storage.replies.session import Claimed, ClaimedGuest, FoundSession, UnknownSession
from storage.sessions import Claim, SessionRepository

RESUME_WAIT_MS = 5_000
"""For so long a client that comes back waits for the store."""
_STORE_AWAY = "the store does not answer: come back in a moment"


@dataclass(frozen=True, slots=True)
class _Resume:
    """A client that wants to go on, on its way through the store."""

    message: ResumeRequested
    asked_at_ms: float
    expiry: Expiry


Admit = Callable[[TakenOverSession, ResumeRequested], ResumeAnswered]


class Takeover:
    """Resumes that concern sessions of other instances, and what those need of ours."""

    def __init__(
        self,
        repository: SessionRepository,
        jobs: JobDriver,
        options: UplinkOptions,
        admit: Admit,
    ) -> None:
        self._repository = repository
        self._claims = jobs.claims
        self._jobs = jobs
        self._ends = jobs.ends
        self._options = options
        self._admit = admit
        """Makes the session's actor and gives it the socket."""

    def locate(self, message: LocateSession, now_ms: float) -> Sequence[Step]:
        """A socket names a session that is not here."""
        return locate(self._repository, message, now_ms)

    # ---- coming -----------------------------------------------------------------------------

    def resume(self, message: ResumeRequested, now_ms: float) -> Sequence[Step]:
        """A client wants to go on with a session that is not here."""

        def give_up() -> Sequence[Step]:
            away = ErrorCode.SCHEDULER_DEPENDENCY_DOWN
            close = CloseCode.TRY_AGAIN_LATER
            tell(message.asker, _refused(message, away, _STORE_AWAY, close))
            return ()

        expiry = Expiry(now_ms + RESUME_WAIT_MS, give_up)
        return (self._find(_Resume(message, now_ms, expiry)),)

    def _find(self, resume: _Resume) -> Step:
        def apply(reply: FoundSession | UnknownSession) -> Sequence[Step]:
            if isinstance(reply, FoundSession):
                return self._judge(resume, reply)
            tell(resume.message.asker, _refused(resume.message))
            return ()

        return Step(self._repository.find(resume.message.session_id), apply, resume.expiry)

    def _judge(self, resume: _Resume, found: FoundSession) -> Sequence[Step]:
        """Whoever shows a valid token, with the credential of who opened it, gets the session."""
        message = resume.message
        mint = TokenMint(message.session_id, found.token_key)
        number = mint.read(message.token)
        profile = SessionProfile.restored(found.profile)
        is_valid = number is not None and number >= TokenNumber.of(found.tokens_from)
        if number is None or not is_valid or profile.credential != message.credential:
            tell(message.asker, _refused(message))
            return ()
        return (self._claim(resume, profile, (mint, number), found.epoch),)

    def _claim(
        self,
        resume: _Resume,
        profile: SessionProfile,
        token: tuple[TokenMint, TokenNumber],
        found_epoch: int,
    ) -> Step:
        def begin(claimed: Claimed) -> Sequence[Step]:
            moved = TakenOverSession.of(
                profile,
                token,
                claimed,
                resume.message.last_delivery_seq,
                are_recorded=self._ends.record_outcomes,
            )
            return self._begin(resume, moved, claimed)

        def apply(reply: Claimed | Moved | Gone | Fenced) -> Sequence[Step]:
            match reply:
                case Claimed():
                    return self._gather(resume, reply, reply.guest_of, begin)
                case Moved():  # another instance was faster: its token is newer, or ours is
                    return (self._find(resume),)
                case Fenced():  # this instance has no lease yet, or no longer
                    return (step.later(),)
                case Gone():
                    tell(resume.message.asker, _refused(resume.message))
                    return ()

        claim = Claim(resume.message.session_id, profile.tenant_id, found_epoch, resumes=True)
        step = Step(self._repository.claim(claim), apply, resume.expiry)
        return step

    def _gather(
        self,
        resume: _Resume,
        claimed: Claimed,
        cells: Sequence[Cell],
        begin: Callable[[Claimed], Sequence[Step]],
    ) -> Sequence[Step]:
        """Claim it in these cells as well: some of its jobs and outcomes are there."""
        if not cells:
            return begin(claimed)
        cell, *others = cells

        def apply(reply: ClaimedGuest | Moved | Fenced) -> Sequence[Step]:
            match reply:
                case ClaimedGuest():
                    jobs, outcomes = claimed.jobs + reply.jobs, claimed.outcomes + reply.outcomes
                    more = replace(claimed, jobs=jobs, outcomes=outcomes)
                    return self._gather(resume, more, others, begin)
                case Moved():  # another instance was faster, after we had claimed it at home
                    return (self._find(resume),)
                case Fenced():
                    return (step.later(),)

        session_id = resume.message.session_id
        claim = self._repository.claim_guest(session_id, claimed.epoch, cell, resumes=True)
        step = Step(claim, apply, resume.expiry)
        return (step,)

    def _begin(self, resume: _Resume, moved: TakenOverSession, claimed: Claimed) -> Sequence[Step]:
        """The session is ours: it lives here from now on, and so do its jobs."""
        message = resume.message
        self._claims.lost(message.session_id)  # what was left of it here, if it was here before
        answer = self._admit(moved, message)
        tell(message.asker, answer)
        session = answer.session
        if session is None:
            return ()
        profile = moved.profile
        opened = SessionOpened(session, message.session_id, profile.tenant_id)
        self._claims.taken_over(opened, claimed)
        logger.info(
            "session came from another instance",
            session_ref=session_ref(message.session_id),
            open=len(moved.jobs),
            outcomes=len(moved.outcomes),
        )
        ended = moved.outcomes.keys() | moved.heard()
        saved = (*moved.saved.cuts, *moved.saved.member_cuts)
        cuts = {cut.job_id: cut for cut in saved if cut.number not in ended}
        steps: list[Step] = []
        for job_id, job in moved.jobs.items():
            cut = cuts.get(job_id)
            if cut is None:  # its outcome was heard before, or nobody knows what it is
                reason = MissingReason.INSTANCE_LOST
                steps.append(self._ends.end_unknown(job_id, job.attempt, reason, cell=job.cell))
            else:
                spec, work = moved.job(cut, self._options)
                steps.extend(self._jobs.adopt_job(session, spec, work, job, resume.asked_at_ms))
        return steps

    # ---- staying ----------------------------------------------------------------------------

    def record(self, message: RecordSession) -> Sequence[Step]:
        """Keep what another instance would need."""
        session_id = message.session_id
        if session_id in self._claims.under_way:
            return self._claims.claim(session_id, lambda: self.record(message))
        epoch = self._claims.epoch(session_id)

        def apply(reply: Updated | Fenced) -> Sequence[Step]:
            if isinstance(reply, Updated):
                tell(message.session, SessionRecorded(message.end_seq, message.serial))
                return ()
            return self._claims.claim(session_id)  # lost with the store's data, or another's

        heard = message.heard
        if not self._ends.record_outcomes:
            heard = tuple(replace(one, outcome="") for one in heard)
        state, tokens_from = message.session_state, message.tokens_from
        call = self._repository.record(session_id, epoch, state, tokens_from, heard)
        return (Step(call, apply),) if session_id in self._claims else ()

    # ---- going ------------------------------------------------------------------------------

    def release(self, message: ReleaseSession) -> Sequence[Step]:
        """Another instance has the session, unless it has come back since."""
        if self._claims.epoch(message.session_id) < message.epoch:
            self._claims.lost(message.session_id)
        return ()

    def drained(self, message: SessionDrained) -> Sequence[Step]:
        """A session left with its instance; its jobs stay as they are."""
        self._claims.forget(message.session_id)
        return ()


def _refused(
    message: ResumeRequested,
    code: ErrorCode = ErrorCode.INVALID_SESSION,
    text: str = CANNOT_RESUME,
    close_code: CloseCode | None = None,
) -> ResumeAnswered:
    return ResumeAnswered(message.session_id, code=code, message=text, close_code=close_code)
