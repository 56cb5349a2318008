"""SessionRepository: who owns a session, fenced by an epoch. Pure builders, no policy."""

from protocol.ids import InstanceId, SessionId
from storage import reader
from storage.call import Call
from storage.replies import Claimed, Fenced, Updated
from storage.scripts import load_script
from storage.store import Store

_CLAIM = load_script("claim_session")
_CLOSE = load_script("close_session")

DEFAULT_TTL_SECONDS = 3600


class SessionRepository:
    """Sessions as one instance claims and closes them.

    A claimed session lives as long as its instance beats: `InstanceRepository.beat` keeps its
    record from expiring.
    """

    def __init__(self, store: Store, instance_id: InstanceId) -> None:
        self._store = store
        self._instance_id = instance_id

    def claim(
        self, session_id: SessionId, tenant_id: str, ttl_seconds: int = DEFAULT_TTL_SECONDS
    ) -> Call[Claimed | Fenced]:
        """Own the session under a fresh epoch; its open jobs follow. `Fenced`: no lease."""
        args = _CLAIM.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            session=session_id,
            tenant=tenant_id,
            ttl_s=ttl_seconds,
        )
        return Call(_CLAIM, (self._store.prefix,), args, reader.claimed)

    def close(self, session_id: SessionId, epoch: int) -> Call[Updated | Fenced]:
        """Forget the session; its jobs are ended one by one by their owner, before or after.

        Epoch 0: whichever it is, if it is this instance's.
        """
        args = _CLOSE.arguments(instance=self._instance_id, session=session_id, epoch=epoch)
        return Call(_CLOSE, (self._store.prefix,), args, reader.closed)
