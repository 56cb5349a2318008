"""What tenants have used of this process, as metrics. `Usage` bounds how many labels there are."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric

from actors.usage import TenantUsage


def usage_families(rows: Iterable[TenantUsage]) -> Iterator[Metric]:
    """Return sessions, audio and jobs by tenant; those beyond a bound count as `(others)`."""
    sessions = _family("lingua_usage_sessions", "Sessions begun here")
    audio = _family("lingua_usage_audio_seconds", "Audio of utterances that went to nodes")
    jobs = _family("lingua_usage_jobs", "Jobs made, one per target language")
    for row in rows:
        sessions.add_metric([row.tenant_id], row.sessions)
        audio.add_metric([row.tenant_id], row.audio_ms / 1000)
        jobs.add_metric([row.tenant_id], row.jobs)
    yield from (sessions, audio, jobs)


def _family(name: str, text: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, f"{text}, by tenant", labels=["tenant"])
