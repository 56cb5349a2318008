"""Readers of the session scripts' replies: raw values to the types of `storage.replies.job`."""

from collections.abc import Callable, Iterable

from protocol.ids import InstanceId, JobId, NodeId, RequestId, SessionId
from storage.cells import Cell
from storage.job import JobState
from storage.replies.job import Fenced, Gone, Moved, Updated
from storage.replies.reader import Raw, by_word, fenced, gone, moved, updated
from storage.replies.session import (
    Checked,
    Claimed,
    ClaimedGuest,
    FollowingJob,
    ForgottenSession,
    FoundSession,
    LocatedSession,
    LostSession,
    OwnedSession,
    RecordedOutcome,
    UnknownSession,
)


def checked(raw: Raw) -> Checked:
    """Read `check_sessions`."""
    lost, unkept = raw[1], raw[2]
    return Checked(tuple(map(SessionId, lost)), tuple(map(SessionId, unkept)))


def claimed(home: Cell, raw: Raw) -> Claimed | Moved | Gone | Fenced:
    """Read `claim_session` as it ran in the session's home."""
    return _claimed(home, raw[1:]) if raw[0] == "OK" else _not_claimed(raw)


def _claimed(home: Cell, values: Raw) -> Claimed:
    epoch, jobs, session_state, outcomes, guest_of = values
    return Claimed(
        int(epoch),
        _all_following(home, jobs),
        session_state,
        _recorded_outcomes(outcomes),
        tuple(Cell(int(cell)) for cell in guest_of.split()),
    )


def claimed_guest(cell: Cell, raw: Raw) -> ClaimedGuest | Moved | Fenced:
    """Read `claim_guest` as it ran in this cell."""
    if raw[0] != "OK":
        return _no_guest(raw)
    _, jobs, outcomes = raw
    return ClaimedGuest(_all_following(cell, jobs), _recorded_outcomes(outcomes))


def _all_following(cell: Cell, rows: Iterable[Raw]) -> tuple[FollowingJob, ...]:
    following = (_following(cell, row) for row in rows)
    return tuple(sorted(following, key=lambda job: job.utterance_index))


def _recorded_outcomes(rows: Iterable[Raw]) -> tuple[RecordedOutcome, ...]:
    return tuple(
        RecordedOutcome(
            int(cut),
            JobId(job),
            int(index),
            language,
            outcome,
            RequestId(heard_key) if heard_key else None,
        )
        for cut, job, index, language, outcome, heard_key in rows
    )


def _following(cell: Cell, row: Raw) -> FollowingJob:
    job, _session, index, state, attempt, _owner, node, instance, stays, *rest = row
    due_ms, deadline_ms, turned = rest
    return FollowingJob(
        JobId(job),
        int(index),
        JobState(state),
        int(attempt),
        NodeId(node) if node else None,
        InstanceId(instance) if instance else None,
        bool(stays),
        due_ms,
        deadline_ms,
        cell,
        stays_in_turn=bool(turned),
    )


def _found(values: Raw) -> FoundSession:
    epoch, owner, token_key, tokens_from, profile = values
    return FoundSession(int(epoch), InstanceId(owner), token_key, tokens_from, profile)


def _unknown(_: Raw) -> UnknownSession:
    return UnknownSession()


def _located(values: Raw) -> LocatedSession:
    owner, peer_url = values
    return LocatedSession(InstanceId(owner), peer_url)


def _lost(values: Raw) -> LostSession:
    [others] = values
    return LostSession(others)


_not_claimed: Callable[[Raw], Moved | Gone | Fenced] = by_word(
    {"MOVED": moved, "GONE": gone, "FENCED": fenced}
)

_no_guest: Callable[[Raw], Moved | Fenced] = by_word({"MOVED": moved, "FENCED": fenced})

found: Callable[[Raw], FoundSession | UnknownSession] = by_word(
    {"FOUND": _found, "UNKNOWN": _unknown}
)
"""Reads `find_session`."""

located: Callable[[Raw], LocatedSession | LostSession] = by_word(
    {"FOUND": _located, "UNKNOWN": _lost}
)
"""Reads `locate_session`."""

closed: Callable[[Raw], Updated | Fenced] = by_word({"OK": updated, "FENCED": fenced})
"""Reads `close_session`, `record_session` and `record_guest`."""


def forgotten(raw: Raw) -> ForgottenSession | OwnedSession | UnknownSession:
    """Read `forget_session`."""
    if raw[0] == "OWNED":
        return OwnedSession()
    return UnknownSession() if raw[0] == "UNKNOWN" else ForgottenSession(int(raw[1]))
