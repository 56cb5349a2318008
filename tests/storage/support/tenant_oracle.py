"""What tenants may have in the walks, and where each stands: computed from the store alone."""

from storage.job_limits import JobLimits
from storage.tenant_share import EQUAL_SHARE, TenantShare
from tests.storage.support.store_snapshot import Hash, Snapshot

SHARES = {"heavy": TenantShare(weight=2), "bounded": TenantShare(slots=1)}
LIMITS = JobLimits(shares=SHARES)
MAX_CREDIT_MS = 10_000


def weight_of(tenant: str) -> int:
    """Return a tenant's weight."""
    return SHARES.get(tenant, EQUAL_SHARE).weight


def tenant_clock(state: Snapshot, tenant: str) -> int:
    """Return a tenant's virtual time, with the claim that it keeps when it comes back."""
    clock = int(state.text(f"tenant:{tenant}:clock"))
    if state.set(f"tenant:{tenant}:parked"):
        return max(clock, int(state.text("vtime")) - MAX_CREDIT_MS)
    return clock


def room_of(state: Snapshot, tenant: str, ended: Hash | None = None) -> float:
    """Return how many slots more a tenant may have, once this job has ended."""
    cap = SHARES.get(tenant, EQUAL_SHARE).slots
    if not cap:
        return float("inf")
    gained = ended is not None and ended["tenant"] == tenant
    return cap - len(state.set(f"tenant:{tenant}:slots")) + gained
