"""One example of every message of every direction, with each field that it may carry."""

from typing import Any

from protocol.audio.framing import AudioFormat, DeclaredFormat
from protocol.errors import ErrorCode, MissingReason
from protocol.ids import JobId, NodeId, NodeJobId, SessionId, SessionRef, TraceId, session_ref
from protocol.messages import (
    admin,
    node_inbound,
    node_outbound,
    rooms,
    session_inbound,
    session_outbound,
)
from protocol.messages.shared import (
    EndpointingMode,
    ErrorDetail,
    Features,
    NetworkTimings,
    Pipeline,
    ServiceTimings,
    SessionMode,
)
from protocol.messages.webrtc import WebrtcAnswer, WebrtcIce, WebrtcOffer
from protocol.wire import WireMessage

SID = SessionId("s-1")
NOW_MS = 1_700_000_000_000
TRACE = TraceId("trace-1")
TRACE_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
AUDIO = bytes(range(256)) + b"\xff\xef\xbe"
"""Its base64 has both signs of the alphabet, and padding."""
ANY_JSON: dict[str, Any] = {"a": [1, 2.5, None, True], "b": {"c": "Grüße"}}
FEATURES = Features(
    emotion_detection=True,
    voice_style_detection=False,
    speech_rate_detection=True,
    speech_rate_control=False,
    speaker_identification=True,
    persona_adaptation=False,
)
PIPELINE = Pipeline(
    use_asr=True,
    use_nmt=True,
    use_tts=False,
    use_semantic=True,
    use_tone=False,
    use_phonetic=True,
    use_lexicon=False,
)
LANGUAGES: dict[str, Any] = {
    "src_lang": "auto",
    "tgt_lang": "en",
    "dialect": "d",
    "features": FEATURES,
    "mode": SessionMode.TWO_WAY_AUTO,
    "lang_a": "zh",
    "lang_b": "en",
    "auto_langs": ("zh", "en"),
    "enable_streaming_asr": True,
    "partial_update_interval_ms": 1000,
    "trace_id": TRACE,
}
SIGNALS = [
    WebrtcOffer(room_code="123456", to=SID, sdp={"type": "offer", "sdp": "v=0"}),
    WebrtcAnswer(room_code="123456", to=SID, sdp={"type": "answer", "sdp": "v=0"}),
    WebrtcIce(room_code="123456", to=SID, candidate={"candidate": "x", "sdpMid": None}),
]

SESSION_MESSAGES: list[WireMessage] = [
    session_inbound.SessionInit(
        client_version="1",
        platform="web",
        pairing_code="p",
        tenant_id="t",
        audio_format=DeclaredFormat.PCM16,
        sample_rate=16_000,
        channels=1,
        endpointing=EndpointingMode.SERVER,
        use_binary_frame=True,
        room_tts_format=AudioFormat.PCM16,
        tts_format=AudioFormat.PCM16,
        tgt_langs=("de", "fr"),
        pipeline=PIPELINE,
        hints=("Ana",),
        voice="v",
        traceparent=TRACE_PARENT,
        resume=True,
        session_id=SID,
        resume_token="again",
        last_delivery_seq=3,
        **LANGUAGES,
    ),
    session_inbound.SessionUpdate(
        session_id=SID,
        src_lang="en",
        tgt_lang="es",
        tgt_langs=("de", "fr"),
        preferred_lang="en",
        pipeline=PIPELINE,
        hints=("Ana",),
        voice="v",
    ),
    session_inbound.UtteranceCancel(session_id=SID, utterance_index=3),
    session_inbound.AudioChunk(
        session_id=SID, seq=4, is_final=False, payload=AUDIO, client_timestamp_ms=NOW_MS
    ),
    session_inbound.Utterance(
        session_id=SID,
        utterance_index=1,
        manual_cut=True,
        audio=AUDIO,
        audio_format=AudioFormat.OPUS,
        sample_rate=16_000,
        pipeline=PIPELINE,
        **LANGUAGES,
    ),
    session_inbound.ClientHeartbeat(session_id=SID, timestamp=NOW_MS, last_delivery_seq=2),
    session_inbound.TtsStarted(session_id=SID, trace_id="t", group_id="g", ts_start_ms=NOW_MS),
    session_inbound.TtsPlayEnded(session_id=SID, trace_id="t", group_id="g", ts_end_ms=NOW_MS),
    session_inbound.SessionClose(session_id=SID, reason="done"),
    rooms.RoomCreate(client_ts=NOW_MS, display_name="Ana", preferred_lang="en"),
    rooms.RoomJoin(room_code="123456", display_name="Ana", preferred_lang="en"),
    rooms.RoomLeave(room_code="123456"),
    rooms.RoomRawVoicePreference(
        room_code="123456", target_session_id=SID, receive_raw_voice=False
    ),
    *SIGNALS,
]

SESSION_REPLIES: list[WireMessage] = [
    session_outbound.SessionInitAck(
        session_id=SID,
        session_ref=session_ref(SID),
        assigned_node_id="n",
        message="session created",
        trace_id="t",
        protocol_version="1.0",
        use_binary_frame=True,
        endpointing="auto",
        unserved=(session_outbound.Unserved(src_lang="en", tgt_lang="is", what="translation"),),
        negotiated_codec="opus",
        negotiated_audio_format="opus",
        negotiated_sample_rate=16_000,
        negotiated_channel_count=1,
        resume_token="again",
        resumed=False,
        next_seq=0,
    ),
    session_outbound.SessionUpdated(
        session_id=SID,
        src_lang="en",
        tgt_lang="es",
        tgt_langs=("de", "fr"),
        preferred_lang="en",
        pipeline=PIPELINE,
        hints=("Ana",),
        voice="v",
        unserved=(session_outbound.Unserved(src_lang="en", tgt_lang="fr", what="speech"),),
    ),
    session_outbound.AudioAck(session_id=SID, next_seq=7),
    session_outbound.AsrPartial(
        session_id=SID, utterance_index=1, job_id="", text="he", is_final=False, trace_id="t"
    ),
    session_outbound.TranslationResult(
        session_id=SID,
        utterance_index=1,
        job_id="j",
        text_asr="hello",
        text_translated="hola",
        tts_audio="AAAA",
        tts_format="opus",
        extra=ANY_JSON,
        trace_id="t",
        group_id="g",
        part_index=0,
        service_timings=ServiceTimings(asr_ms=1, nmt_ms=2.5, tts_ms=3, total_ms=6.5),
        network_timings=NetworkTimings(
            web_to_scheduler_ms=1,
            scheduler_to_node_ms=2,
            node_to_scheduler_ms=3,
            scheduler_to_web_ms=4,
        ),
        scheduler_sent_at_ms=1_700_000_000_000,
        asr_quality_level="good",
        reason_codes=("a", "b"),
        quality_score=0.5,
        rerun_count=1,
        segments_meta={"count": 1, "max_gap": 0, "avg_duration": 2.4},
        tgt_lang="es",
        speech_start_ms=0,
        speech_end_ms=900,
        delivery_seq=1,
        late=True,
        tts_lost=True,
        truncated=True,
        speaker_session_id="s-2",
        speaker_utterance_index=9,
    ),
    session_outbound.MissingResult(
        session_id=SID,
        utterance_index=1,
        reason=MissingReason.MERGED,
        created_at_ms=1,
        trace_id="t",
        tgt_lang="es",
        speech_start_ms=0,
        speech_end_ms=900,
        delivery_seq=2,
        late=True,
        speaker_session_id="s-2",
        speaker_utterance_index=9,
    ),
    session_outbound.UiEvent(
        trace_id="t",
        session_id=SID,
        job_id="j",
        utterance_index=1,
        event=session_outbound.UiEventKind.QUEUED,
        elapsed_ms=1,
        status="ok",
        error_code=ErrorCode.JOB_TIMEOUT,
        hint="h",
        wait_ms_estimate=400,
        reason="no_node",
    ),
    session_outbound.ErrorMessage(code="X", message="m", details=ANY_JSON, trace_id="t"),
    session_outbound.Backpressure(action="PAUSE", resume_after_ms=100, message="m"),
    session_outbound.ServerHeartbeat(session_id=SID, timestamp=1),
    session_outbound.SessionCloseAck(session_id=SID),
    session_outbound.Reconnect(after_ms=500, reason="restart"),
    session_outbound.LanguageDetected(session_id=SID, lang="en", confidence=0.9),
    session_outbound.TtsAudio(payload="AAAA", utterance_index=1, tts_format="opus"),
    session_outbound.Translation(text="hola"),
    rooms.RoomCreateAck(room_code="123456", room_id="r", tts_format="pcm16"),
    rooms.RoomMembers(
        room_code="123456",
        members=(
            rooms.RoomMember(
                participant_id=SID,
                session_id=SID,
                display_name="Ana",
                preferred_lang="en",
                raw_voice_preferences={"s-2": False},
                joined_at="2026-01-01T00:00:00Z",
            ),
        ),
    ),
    rooms.RoomError(code=ErrorCode.ROOM_FULL, message="full"),
    rooms.RoomExpired(room_code="123456", message="gone"),
    *SIGNALS,
]

NODE_MESSAGES: list[WireMessage] = [
    node_inbound.NodeRegister(
        node_id=NodeId("node-1"),
        version="2.0.0",
        capability_schema_version="2.0",
        platform="linux",
        hardware={"cpu_cores": 2, "memory_gb": 4},
        installed_models=[{"model_id": "m"}],
        installed_services=[{"service_id": "s"}],
        capability_by_type=[{"type": "asr", "ready": True}],
        features_supported=FEATURES,
        accept_public_jobs=True,
        language_capabilities=node_inbound.LanguageCapabilities(
            asr_languages=("en",),
            semantic_languages=("es",),
            tts_languages=("es",),
            semantic_core_ready=True,
        ),
        max_concurrent_jobs=2,
        tts_voices={"es": ("v",)},
        audio_formats=(AudioFormat.OPUS,),
    ),
    node_inbound.NodeHeartbeat(
        node_id=NodeId("node-1"),
        timestamp=1,
        resource_usage=node_inbound.ResourceUsage(
            cpu_percent=1,
            gpu_percent=2.5,
            gpu_mem_percent=3,
            mem_percent=4,
            running_jobs=1,
            gpu_queue_length=2,
        ),
        installed_models=[],
        installed_services=[],
        capability_by_type=[],
        language_capabilities=node_inbound.LanguageCapabilities(asr_languages=()),
        rerun_metrics={"totalReruns": 0},
        processing_metrics={"serviceEfficiencies": {"asr": 1.5}},
    ),
    node_inbound.NodeAsrPartial(
        job_id=NodeJobId("j~2"),
        node_id="n",
        session_id="s~2",
        utterance_index=0,
        text="he",
        is_final=True,
        trace_id="t",
    ),
    node_inbound.JobResult(
        job_id=NodeJobId("j~2"),
        success=True,
        attempt_id=2,
        node_id="n",
        session_id="s~2",
        utterance_index=0,
        text_asr="hello",
        text_translated="hola",
        tts_audio="AAAA",
        tts_format="opus",
        extra=ANY_JSON,
        processing_time_ms=12.5,
        trace_id="t",
        asr_quality_level="good",
        reason_codes=("a",),
        quality_score=1,
        rerun_count=0,
        segments_meta={"count": 1},
        group_id="g",
        part_index=1,
        node_completed_at_ms=1,
        error=node_inbound.JobError(
            code="MODEL_NOT_AVAILABLE", message="m", details={"service_id": "nmt"}
        ),
    ),
    node_inbound.JobAck(
        job_id=NodeJobId("j"), attempt_id=1, node_id="n", session_id="s", trace_id="t"
    ),
    node_inbound.JobStarted(
        job_id=NodeJobId("j"), attempt_id=1, node_id="n", session_id="s", trace_id="t"
    ),
    node_inbound.NodeError(node_id="n", code="X", message="m", details=ANY_JSON),
]

NODE_COMMANDS: list[WireMessage] = [
    node_outbound.NodeRegisterAck(
        node_id=NodeId("n"),
        message="m",
        status="refused",
        error=ErrorDetail(code="NODE_ID_CONFLICT", message="m"),
    ),
    node_outbound.JobAssign(
        job_id="j~2",
        attempt_id=2,
        session_id="s~2",
        utterance_index=0,
        pipeline=PIPELINE,
        audio=AUDIO,
        audio_format=AudioFormat.OPUS,
        sample_rate=16_000,
        group_id="g",
        part_index=1,
        context_text="before",
        hints=("Ana",),
        voice_id="v",
        traceparent=TRACE_PARENT,
        padding_ms=280,
        is_manual_cut=True,
        is_timeout_triggered=True,
        is_max_duration_triggered=True,
        turn_id="turn",
        **LANGUAGES,
    ),
    node_outbound.JobCancel(job_id="j", trace_id="t", reason="job_timeout"),
    node_outbound.NodeControl(command="drain", reason="operator"),
    session_outbound.ErrorMessage(code="X", message="m", details={}, trace_id="t"),
]

ADMIN_MESSAGES: list[WireMessage] = [
    admin.Subscribe(request_id="1"),
    admin.DrainNode(request_id=2, node_id=NodeId("n")),
    admin.UndrainNode(request_id=2, node_id=NodeId("n")),
    admin.CloseSession(request_id="3", session_id=SessionRef("0123456789abcdef")),
    admin.CancelJob(request_id="4", job_id=JobId("j")),
    admin.ListSessions(request_id="5"),
    admin.ListNodes(request_id="6"),
    admin.ListJobs(request_id="7", state="queued"),
]

ADMIN_REPLIES: list[WireMessage] = [
    admin.AdminAck(request_id="1", ok=False, error="no such job", data=ANY_JSON),
    admin.AdminUpdate(at_ms=1, stats=ANY_JSON, cluster=ANY_JSON),
]
