"""What an operator's settings are to the sessions of an instance, put together."""

from actors.session.options import UplinkOptions
from cli.settings.settings import Settings


def uplink_options(settings: Settings) -> UplinkOptions:
    """Return what an uplink needs to know."""
    dispatch = settings.dispatch
    return UplinkOptions(
        segmenter=settings.segmenter,
        tiny_utterance_ms=settings.session.tiny_utterance_ms,
        job_lifetime_ms=dispatch.pending_timeout_ms
        + dispatch.max_attempts * dispatch.job_timeout_ms,
        overdue_ms=settings.sequencer.result_gap_ms,
        audio_ack_interval_ms=settings.session.audio_ack_interval_ms,
        max_open=settings.admission.max_open_per_session,
    )
