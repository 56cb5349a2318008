"""InstanceRepository: leases of scheduler instances, and clearing up after a dead one.

Pure builders, no policy: the caller decides when to beat and whom to reap.
"""

import secrets

from protocol.ids import InstanceId
from storage import reader
from storage.call import Call
from storage.replies import Alive, Fenced, Reaped, Revived
from storage.scripts import load_script
from storage.store import Store

_BEAT = load_script("beat")
_REAP = load_script("reap")


class InstanceRepository:
    """This instance's lease and what it may do to others whose lease has lapsed."""

    def __init__(self, store: Store, instance_id: InstanceId) -> None:
        self._store = store
        self._instance_id = instance_id

    def beat(self, lease_ms: int) -> Call[Alive]:
        """Renew the lease; the first beat of all names the data set."""
        args = _BEAT.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            lease_ms=lease_ms,
            data_id=secrets.token_hex(8),
        )
        return Call(_BEAT, (self._store.prefix,), args, reader.alive)

    def reap(self, dead_id: InstanceId, limit: int = 20) -> Call[Reaped | Revived | Fenced]:
        """Do one bounded step of clearing up after an instance that `beat` reported as expired.

        Its queued jobs fail as `instance_lost`, its nodes go off-line, and its running jobs keep
        their node until they are due, then fail too unless their session was claimed by then.
        """
        args = _REAP.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            dead=dead_id,
            limit=limit,
        )
        return Call(_REAP, (self._store.prefix,), args, reader.reaped)
