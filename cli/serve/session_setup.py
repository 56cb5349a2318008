"""What an operator's settings are to the sessions of an instance, put together."""

from actors.session.options import DownlinkOptions, NewDetector, UplinkOptions
from cli.settings.settings import Settings
from gateway.media.pool import MediaPool
from gateway.media.process import ProcessRules
from gateway.media.voice import VoiceDetectors


def uplink_options(settings: Settings, new_detector: NewDetector | None = None) -> UplinkOptions:
    """Return what an uplink needs to know."""
    dispatch = settings.dispatch
    return UplinkOptions(
        segmenter=settings.segmenter,
        tiny_utterance_ms=settings.session.tiny_utterance_ms,
        job_lifetime_ms=dispatch.pending_timeout_ms
        + dispatch.max_attempts * dispatch.job_timeout_ms,
        overdue_ms=settings.sequencer.result_gap_ms,
        audio_ack_interval_ms=settings.session.audio_ack_interval_ms,
        new_detector=new_detector,
        max_open=settings.admission.max_open_per_session,
    )


def downlink_options(settings: Settings) -> DownlinkOptions:
    """Return what a downlink needs to know."""
    session = settings.session
    return DownlinkOptions(
        settings.sequencer, session.replay_max_outcomes, session.replay_max_bytes
    )


def session_uplink(settings: Settings) -> UplinkOptions:
    """Return the same for sessions that live here, with what hears speech (extra `vad`)."""
    most = settings.media.vad_sessions
    has_network = bool(most) and VoiceDetectors.is_available()
    return uplink_options(settings, VoiceDetectors(most).open if has_network else None)


def media_pool(settings: Settings) -> MediaPool | None:
    """Return what converts audio; None without the extra `media`, or where nothing is converted."""
    media, admission = settings.media, settings.admission
    if not media.media_processes or not MediaPool.is_available():
        return None
    rules = ProcessRules(
        cpu_share=media.media_cpu_share,
        memory_bytes=media.media_memory_bytes,
        stall_ms=media.media_stall_ms,
        rate=admission.ingest_rate,
        burst_ms=admission.ingest_burst_ms,
    )
    return MediaPool(media, rules)
