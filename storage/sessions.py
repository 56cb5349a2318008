"""SessionRepository: who owns a session, fenced by an epoch. Pure builders, no policy.

A session lives in its home cell; in others it may be a guest, under the epoch of its home.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from protocol.ids import InstanceId, RequestId, SessionId
from storage.call import Call
from storage.cells import FIRST, Cell, Cells
from storage.keys import key_text
from storage.replies import session_reader as reader
from storage.replies.job import Fenced, Gone, Moved, Updated
from storage.replies.session import (
    Checked,
    Claimed,
    ClaimedGuest,
    ForgottenSession,
    FoundSession,
    LocatedSession,
    LostSession,
    OwnedSession,
    UnknownSession,
)
from storage.scripts import load_script
from storage.store import Store

_CHECK = load_script("session/check_sessions")
_CLAIM = load_script("session/claim_session")
_CLOSE = load_script("session/close_session")
_FIND = load_script("session/find_session")
_LOCATE = load_script("session/locate_session")
_RECORD = load_script("session/record_session")
_FORGET = load_script("session/forget_session")
_CLAIM_GUEST = load_script("session/claim_guest")
_RECORD_GUEST = load_script("session/record_guest")

DEFAULT_TTL_SECONDS = 3600
_AT_ONCE = 500
"""Records that one round trip reads."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Why an instance believes that a session is its own."""

    session_id: SessionId
    tenant_id: str
    known_epoch: int = 0
    """Under which it held the session, or found it; 0: it has just begun. Under another one the
    session belongs to somebody else by now."""
    resumes: bool = False
    """The session began elsewhere: it must exist, and what the former owner left is asked for."""
    token_key: str = ""
    """What follows is for sessions that may be resumed; empty: it stays as it is."""
    profile: str = ""
    session_state: str = ""


@dataclass(frozen=True, slots=True)
class HeardEntry:
    """What a session heard of another member of its room, as it is kept for another instance."""

    number: int
    """Its place among the session's own cuts."""
    key: RequestId
    """The speaker's."""
    index: int
    """The listener's own."""
    outcome: str
    """JSON text, without speech; empty: it is not kept."""


class SessionRepository:
    """Sessions as one instance claims and closes them.

    A claimed session lives as long as its instance beats: `InstanceRepository.beat` keeps its
    record from expiring.
    """

    def __init__(
        self, store: Store, instance_id: InstanceId, record_outcomes_ttl_ms: int = 90_000
    ) -> None:
        """`record_outcomes_ttl_ms`: as of `JobLimits`."""
        self._store = store
        self._instance_id = instance_id
        self._outcome_ttl_ms = record_outcomes_ttl_ms

    @property
    def cells(self) -> Cells:
        """Where sessions can be."""
        return self._store.cells

    def claim(
        self, claim: Claim, ttl_seconds: int = DEFAULT_TTL_SECONDS
    ) -> Call[Claimed | Moved | Gone | Fenced]:
        """Own the session under a fresh epoch; its open jobs follow, its former owner gets a note.

        `Moved`: it is another's. `Gone`: it was to be resumed, and is over. `Fenced`: no lease.
        """
        args = _CLAIM.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            session=claim.session_id,
            tenant=claim.tenant_id,
            ttl_s=ttl_seconds,
            known=claim.known_epoch,
            resumes=int(claim.resumes),
            token_key=claim.token_key,
            profile=claim.profile,
            session_state=claim.session_state,
        )
        home = self._store.cells.home(claim.session_id)
        return Call(_CLAIM, self._keys(claim.session_id), args, partial(reader.claimed, home))

    def find(self, session_id: SessionId) -> Call[FoundSession | UnknownSession]:
        """Return what it takes to judge who wants to resume the session."""
        args = _FIND.arguments(instance=self._instance_id, session=key_text(session_id))
        return Call(_FIND, self._keys(session_id), args, reader.found)

    def locate(self, session_id: SessionId) -> Call[LocatedSession | LostSession]:
        """Return which instance has the session, and where that is reached."""
        args = _LOCATE.arguments(instance=self._instance_id, session=key_text(session_id))
        return Call(_LOCATE, self._keys(session_id), args, reader.located)

    def check(self, epochs: Mapping[SessionId, int], cell: Cell = FIRST) -> Call[Checked]:
        """Return which of these are not this instance's under these epochs any more.

        The cell is the home of all of them.
        """
        pairs = [word for session_id, epoch in epochs.items() for word in (session_id, epoch)]
        args = _CHECK.arguments(instance=self._instance_id, sessions=pairs)
        return Call(_CHECK, (self._store.prefix_of(cell),), args, reader.checked)

    def record(
        self,
        session_id: SessionId,
        epoch: int,
        session_state: str,
        tokens_from: str = "",
        heard: Iterable[HeardEntry] = (),
    ) -> Call[Updated | Fenced]:
        """Keep what another instance would need.

        Args:
            session_id: Whose it is.
            epoch: Under which it is this instance's.
            session_state: What its owner wrote.
            tokens_from: The lowest token that is valid; empty: as before.
            heard: What it heard of others in its room since the last note.
        """
        args = _RECORD.arguments(
            instance=self._instance_id,
            session=session_id,
            epoch=epoch,
            session_state=session_state,
            tokens_from=tokens_from,
            outcome_ttl_ms=self._outcome_ttl_ms,
            heard=[word for one in heard for word in (one.number, one.key, one.index, one.outcome)],
        )
        return Call(_RECORD, self._keys(session_id), args, reader.closed)

    def close(
        self, session_id: SessionId, epoch: int, cell: Cell | None = None
    ) -> Call[Updated | Fenced]:
        """Forget the session; its jobs are ended one by one by their owner, before or after.

        Epoch 0: whichever it is, if it is this instance's.
        """
        args = _CLOSE.arguments(instance=self._instance_id, session=session_id, epoch=epoch)
        return Call(_CLOSE, self._keys(session_id, cell), args, reader.closed)

    async def orphans(self) -> dict[SessionId, str]:
        """Return the sessions that dead instances left, with their tenants.

        Raises:
            StorageUnavailable: the store does not answer.
        """
        lists = [("ZRANGE", f"{prefix}orphans", 0, -1) for prefix in self.cells.prefixes]
        rows = await self._store.read(lists)
        left = list(dict.fromkeys(SessionId(one) for row in rows for one in row))
        tenants: dict[SessionId, str] = {}
        for at in range(0, len(left), _AT_ONCE):
            some = left[at : at + _AT_ONCE]
            keys = [f"{self._keys(one)[0]}session:{one}" for one in some]
            found = await self._store.read([("HGET", key, "tenant") for key in keys])
            tenants |= {one: tenant or "" for one, tenant in zip(some, found, strict=True)}
        return tenants

    def forget(
        self, session_id: SessionId, cell: Cell
    ) -> Call[ForgottenSession | OwnedSession | UnknownSession]:
        """Erase what a cell keeps of a session that no living instance has."""
        args = _FORGET.arguments(session=session_id)
        return Call(_FORGET, self._keys(session_id, cell), args, reader.forgotten)

    def record_guest(self, session_id: SessionId, epoch: int, cell: Cell) -> Call[Updated | Fenced]:
        """Remember at home that the session is a guest of a cell, before it is."""
        args = _RECORD_GUEST.arguments(
            instance=self._instance_id, session=session_id, epoch=epoch, cell=cell
        )
        return Call(_RECORD_GUEST, self._keys(session_id), args, reader.closed)

    def claim_guest(
        self,
        session_id: SessionId,
        epoch: int,
        cell: Cell,
        *,
        resumes: bool = False,
        ttl_seconds: int = DEFAULT_TTL_SECONDS,
    ) -> Call[ClaimedGuest | Moved | Fenced]:
        """Let the session be a guest of a cell under the epoch of its home; its jobs there follow.

        `Moved`: somebody has claimed it at home since. `Fenced`: no lease in that cell.
        """
        args = _CLAIM_GUEST.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            session=session_id,
            epoch=epoch,
            ttl_s=ttl_seconds,
            resumes=int(resumes),
        )
        return Call(
            _CLAIM_GUEST, self._keys(session_id, cell), args, partial(reader.claimed_guest, cell)
        )

    def _keys(self, session_id: SessionId, cell: Cell | None = None) -> tuple[str]:
        cells = self._store.cells
        return (cells.prefixes[cells.home(session_id) if cell is None else cell],)
