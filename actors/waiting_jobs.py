"""How many jobs of this process's sessions wait for a node, and how many of them for whom.

Pure. Must not: end jobs; it counts and decides. A job waits from its cut, asked for or queued,
until a node has it. What is cut is refused where a share is used up:

- a socket's: sessions opened on it that were closed and still wait count for it, so that who
  closes one session and opens the next has no more jobs waiting than one session may have;
- an owner's (a tenant, or an address where nobody says who calls): a quarter of all jobs that may
  wait, as long as others have sessions here, too. Whether they speak just now does not matter: who
  speaks next is to find a place;
- of what no node serves: half of all jobs that may wait, as long as others have sessions here. It
  does not get less by itself, and whose languages are served finds a place beside it;
- of all: once three quarters of the places are taken here, those are refused who would have more
  than an equal part of them, so that many who flood together do not take the last from who speaks.

The bounds of all jobs and of one session's are kept where the queue is: in the store.
"""

from typing import Final

from actors.ports import SocketJobs
from protocol.ids import JobId

OWNERS_SHARE: Final = 4
"""One owner has at most this part of all that may wait."""

KEPT_FREE: Final = 3 / 4
"""What may be taken of all before anybody is asked whether it has more than an equal part."""


UNSERVED_SHARE: Final = 2
"""Jobs that no node serves are at most this part of all that may wait."""


class _Owner:
    """What one owner has."""

    __slots__ = ("sessions", "waiting")

    def __init__(self) -> None:
        self.sessions = 0
        self.waiting = 0


class WaitingJobs:
    """The waiting jobs of a whole process."""

    def __init__(self, max_jobs: int = 1_000, max_per_socket: int = 20) -> None:
        self.max_jobs = max_jobs
        self.max_per_socket = max_per_socket
        self.owners: dict[str, _Owner] = {}
        """Those that have sessions."""
        self.waiting = 0
        """Of all owners together."""
        self.unserved = 0
        """Those of them that no node served when they were cut."""
        self.waiters = 0
        """Owners that have any."""

    def __repr__(self) -> str:
        return f"<WaitingJobs of {len(self.owners)} owners>"

    def share(self, owner: str, socket: SocketJobs | None) -> "WaitingShare":
        """Return the part of a session that belongs to this owner and was opened on this socket."""
        return WaitingShare(self, owner, socket or SocketJobs())


class WaitingShare:
    """The waiting jobs of one session. Life: that of the session, which drops it at its end."""

    __slots__ = ("_all", "_is_dropped", "_jobs", "_name", "_owner", "_socket")

    def __init__(self, waiting: WaitingJobs, owner: str, socket: SocketJobs) -> None:
        self._all = waiting
        self._name = owner
        self._owner = waiting.owners.setdefault(owner, _Owner())
        self._owner.sessions += 1
        self._socket = socket
        self._jobs: dict[JobId, bool] = {}
        """Whether no node served it when it was cut."""
        self._is_dropped = False

    def __repr__(self) -> str:
        return f"<WaitingShare {len(self._jobs)} of {self._owner.waiting} of {self._name!r}>"

    @property
    def limit(self) -> str | None:
        """The limit that is reached: what is cut now ends as `queue_full`; None: none is."""
        waiting = self._socket.waiting
        if waiting > len(self._jobs) and waiting >= self._all.max_per_socket:
            return "sockets_share_of_queued_jobs"
        is_shared = bool(self._name) and len(self._all.owners) > 1
        if is_shared and self._owner.waiting * OWNERS_SHARE >= self._all.max_jobs:
            return "owners_share_of_queued_jobs"
        everybody = self._all
        most = everybody.max_jobs * KEPT_FREE
        if is_shared and everybody.waiting >= most:
            own = self._owner.waiting
            if own and (own + 1) * everybody.waiters > most:
                return "equal_share_of_queued_jobs"
        return None

    @property
    def limit_of_unserved(self) -> str | None:
        """The limit that is reached for what no node serves; None: none is."""
        everybody = self._all
        is_shared = bool(self._name) and len(everybody.owners) > 1
        if is_shared and everybody.unserved * UNSERVED_SHARE >= everybody.max_jobs:
            return "unserved_share_of_queued_jobs"
        return None

    @property
    def holds(self) -> int:
        """Jobs of the session that wait."""
        return len(self._jobs)

    def add(self, job_id: JobId, *, is_unserved: bool = False) -> None:
        """The job waits; it may be known already."""
        if job_id not in self._jobs and not self._is_dropped:
            self._jobs[job_id] = is_unserved
            self._all.unserved += is_unserved
            self._count(1)

    def remove(self, job_id: JobId) -> None:
        """The job waits no longer: a node has it, or it is over. It need not be known."""
        was_unserved = self._jobs.pop(job_id, None)
        if was_unserved is not None:
            self._all.unserved -= was_unserved
            self._count(-1)

    def _count(self, more: int) -> None:
        before = self._owner.waiting
        self._owner.waiting += more
        self._socket.waiting += more
        self._all.waiting += more
        self._all.waiters += bool(self._owner.waiting) - bool(before)

    def drop(self) -> None:
        """The session is over."""
        if self._is_dropped:
            return
        self._is_dropped = True
        self._count(-len(self._jobs))
        self._all.unserved -= sum(self._jobs.values())
        self._jobs.clear()
        self._owner.sessions -= 1
        if not self._owner.sessions:
            del self._all.owners[self._name]
