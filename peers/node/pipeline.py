"""One job from audio to result: decode, recognise, translate, speak, encode.

The audio is there from the beginning, or comes while somebody speaks.

Owns which engine is asked for what, how long each stage took, and which failure is the scheduler's
business. Knows no socket and no other job.

What a failure means to the scheduler: a missing model moves the job to another node
(MODEL_NOT_AVAILABLE); audio that cannot be decoded or recognised ends it (PROCESSING_ERROR); a
translation or a voice that fails costs only itself: the result is a success without it.
"""

import asyncio
import base64
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from loguru import logger

from peers.engines import opus
from peers.engines.engine import (
    EngineError,
    Engines,
    Listening,
    ModelMissingError,
    Speech,
    call_engine,
)
from peers.engines.opus import OpusError
from peers.engines.recognising import recognised
from peers.engines.streaming import heard
from peers.node.spoken_audio import SpokenAudio, SpokenPieces, StreamBrokenError
from peers.pcm import RATE_HZ, resample, silence, to_bytes, to_samples
from protocol.audio.framing import AudioFormat, join_packets
from protocol.errors import ErrorCode
from protocol.ids import NodeJobId
from protocol.messages.node_inbound import JobError, JobResult
from protocol.messages.node_outbound import JobAssign
from protocol.wire import JsonObject

ASR_EMPTY = "ASR_EMPTY"
"""`extra.reason` of a result without texts."""
NMT_FAILED = "NMT_FAILED"
TTS_FAILED = "TTS_FAILED"
AUTO = "auto"
OnPartial = Callable[[str], None]
"""Called on the event loop with the text so far."""


class JobFailedError(Exception):
    """The job ends without a result."""

    def __init__(self, error: JobError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(slots=True)
class JobTexts:
    """What became of one job so far."""

    text_asr: str = ""
    text_translated: str = ""
    tts_audio: bytes = b""
    """In the pipeline's speech format."""
    timings_ms: dict[str, float] = field(default_factory=dict)
    """`asr_ms`, `nmt_ms`, `tts_ms`, as far as the stage ran."""
    reason_codes: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note how long a stage takes, also when it fails."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.timings_ms[name] = _since(started)


class JobPipeline:
    """The stages of a job; holds nothing between two jobs."""

    def __init__(self, engines: Engines, speech_format: AudioFormat) -> None:
        self._engines = engines
        self._speech_format = speech_format

    async def run(self, job: JobAssign, on_partial: OnPartial | None) -> JobResult:
        """Return the result, whatever happens; only being cancelled raises."""
        texts = JobTexts()
        return await self._result_of(job, texts, self._whole_text(job, texts, on_partial))

    async def run_stream(
        self, job: JobAssign, audio: SpokenAudio, on_partial: OnPartial | None
    ) -> JobResult:
        """Return the result of what is still being spoken, never before its end."""
        texts = JobTexts()
        return await self._result_of(job, texts, self._streamed_text(job, audio, texts, on_partial))

    async def translated(self, job: JobAssign, text: str) -> str:
        """Return the translation of a part of what is being spoken.

        Raises:
            Exception: whatever the engine raises.
        """
        source = self._source_language(job)
        return await call_engine(self._engines.translate, text, source, job.tgt_lang)

    async def _result_of(
        self, job: JobAssign, texts: JobTexts, recognising: Awaitable[str]
    ) -> JobResult:
        started = time.monotonic()
        error: JobError | None = None
        try:
            texts.text_asr = await recognising
            await self._later_stages(job, texts)
        except JobFailedError as failure:
            error = failure.error
        except Exception as fault:  # noqa: BLE001 - engines raise anything, the job must end
            # Not its message, which may repeat what was spoken, nor a traceback with values.
            cause = _cause(fault)
            logger.error("an engine failed", job_id=job.job_id, cause=cause)
            error = _failure(f"{type(fault).__name__} in an engine")
        total_ms = _since(started)
        return self._result(job, texts, error, total_ms)

    async def _whole_text(
        self, job: JobAssign, texts: JobTexts, on_partial: OnPartial | None
    ) -> str:
        pcm = await asyncio.to_thread(_decoded, job)
        listening = Listening(job.speaker_key or job.session_id, on_partial)
        with texts.timed("asr_ms"):
            source = self._source_language(job)
            return await self._recognised(
                recognised(self._engines.recognise, pcm, source, listening)
            )

    async def _streamed_text(
        self,
        job: JobAssign,
        audio: SpokenAudio,
        texts: JobTexts,
        on_partial: OnPartial | None,
    ) -> str:
        """Recognise what comes; `asr_ms` counts from the end of speech."""
        if self._engines.stream is None:
            raise JobFailedError(_failure("this node takes whole utterances only"))
        if job.audio_format is AudioFormat.OPUS:
            _need_opus()
        pieces = SpokenPieces(audio, job.audio_format, job.sample_rate)
        source = self._source_language(job)
        listening = Listening(job.speaker_key or job.session_id, on_partial)
        try:
            text = await self._recognised(heard(self._engines.stream, pieces, source, listening))
            await audio.skip_to_end()
        except StreamBrokenError as broken:
            raise JobFailedError(_failure(f"the stream is broken: {broken}")) from None
        except OpusError as error:
            raise JobFailedError(_failure(f"Opus decoding failed: {error}")) from None
        texts.timings_ms["asr_ms"] = _since(audio.ended_at or time.monotonic())
        return text

    async def _later_stages(self, job: JobAssign, texts: JobTexts) -> None:
        if not texts.text_asr:
            return
        source = self._source_language(job)
        spoken, language = texts.text_asr, source
        if job.pipeline.use_nmt:
            with texts.timed("nmt_ms"):
                await self._translate(job, source, texts)
            spoken, language = texts.text_translated, job.tgt_lang
        if job.pipeline.use_tts and spoken:
            with texts.timed("tts_ms"):
                await self._speak(spoken, language, texts)

    def _source_language(self, job: JobAssign) -> str:
        """Return what the recogniser is told: with "auto", what only one language can mean."""
        if job.src_lang != AUTO:
            return job.src_lang
        heard = self._engines.languages.asr
        wanted = [code for code in (job.lang_a, job.lang_b) if code in heard] or heard
        return wanted[0] if len(wanted) == 1 else AUTO

    async def _recognised(self, recognising: Awaitable[str]) -> str:
        try:
            text = await recognising
        except ModelMissingError as missing:
            raise JobFailedError(self._missing("asr", missing)) from None
        except EngineError as failure:
            raise JobFailedError(_failure(str(failure))) from None
        return text.strip()

    async def _translate(self, job: JobAssign, source: str, texts: JobTexts) -> None:
        try:
            texts.text_translated = await call_engine(
                self._engines.translate, texts.text_asr, source, job.tgt_lang
            )
        except ModelMissingError as missing:
            raise JobFailedError(self._missing("nmt", missing)) from None
        except EngineError as failure:
            logger.warning("no translation", job_id=job.job_id, cause=_told(failure, texts))
            texts.reason_codes.append(NMT_FAILED)

    async def _speak(self, text: str, language: str, texts: JobTexts) -> None:
        try:
            speech = Speech(*await call_engine(self._engines.speak, text, language))
        except EngineError as failure:
            logger.warning("no speech", cause=_told(failure, texts))
            texts.reason_codes.append(TTS_FAILED)
            return
        texts.tts_audio = await asyncio.to_thread(_encoded, speech, self._speech_format)

    def _missing(self, kind: str, missing: ModelMissingError) -> JobError:
        service, _, version = self._engines.names.get(kind, kind).partition(" ")
        return JobError(
            code=ErrorCode.MODEL_NOT_AVAILABLE,
            message=str(missing),
            details={"service_id": service, "service_version": version, "reason": str(missing)},
        )

    def _result(
        self, job: JobAssign, texts: JobTexts, error: JobError | None, total_ms: float
    ) -> JobResult:
        extra: JsonObject = {"service_timings": texts.timings_ms | {"total_ms": total_ms}}
        if error is None and not texts.text_asr:
            extra["reason"] = ASR_EMPTY
        return JobResult(
            job_id=NodeJobId(job.job_id),
            attempt_id=job.attempt_id,
            session_id=job.session_id,
            utterance_index=job.utterance_index,
            success=error is None,
            error=error,
            text_asr=texts.text_asr,
            text_translated=texts.text_translated,
            tts_audio=base64.b64encode(texts.tts_audio).decode(),
            tts_format=self._speech_format,
            extra=extra,
            processing_time_ms=total_ms,
            trace_id=job.trace_id,
            reason_codes=tuple(texts.reason_codes) or None,
            group_id=job.group_id,
            part_index=job.part_index,
            node_completed_at_ms=int(time.time() * 1000),
        )


def _decoded(job: JobAssign) -> bytes:
    """Return the job's audio as PCM16 16 kHz, with the silence that is to be appended.

    Raises:
        JobFailedError: there is nothing, or nothing that can be decoded.
    """
    if not job.audio:
        raise JobFailedError(_failure("the job has no audio"))
    if job.audio_format is AudioFormat.OPUS:
        pcm = _decoded_opus(job.audio)
    else:
        pcm = job.audio[: len(job.audio) & ~1]
        if job.sample_rate != RATE_HZ:
            pcm = to_bytes(resample(to_samples(pcm), job.sample_rate, RATE_HZ))
    return pcm + silence(job.padding_ms or 0)


def _need_opus() -> None:
    if not opus.is_installed():
        reason = "this node has no opus decoder"
        details = {"service_id": "opus", "service_version": "", "reason": reason}
        raise JobFailedError(
            JobError(code=ErrorCode.MODEL_NOT_AVAILABLE, message=reason, details=details)
        )


def _decoded_opus(audio: bytes) -> bytes:
    _need_opus()
    try:
        pcm = opus.decode(opus.unframed(audio))
    except OpusError as error:
        raise JobFailedError(_failure(f"Opus decoding failed: {error}")) from None
    if not pcm:
        raise JobFailedError(_failure("Opus decoding failed: no packet behind its length"))
    return pcm


def _encoded(speech: Speech, speech_format: AudioFormat) -> bytes:
    """Return speech as it goes out: framed opus packets, or PCM16 16 kHz."""
    if not speech.pcm:
        return b""
    if speech_format is AudioFormat.OPUS:
        return join_packets(opus.encode(speech.pcm, speech.rate_hz))
    return to_bytes(resample(to_samples(speech.pcm), speech.rate_hz, RATE_HZ))


def _failure(message: str) -> JobError:
    return JobError(code=ErrorCode.PROCESSING_ERROR, message=message)


def _told(failure: EngineError, texts: JobTexts) -> str:
    """Return what an engine says of its failure; its class alone if it repeats what was spoken."""
    text = str(failure)
    spoken = [one for one in (texts.text_asr, texts.text_translated) if one]
    return type(failure).__name__ if any(one in text for one in spoken) else text


def _cause(fault: Exception) -> str:
    """Return what failed and where, on one line, without any value."""
    frames = traceback.extract_tb(fault.__traceback__)
    at = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    before = f", caused by {type(fault.__cause__).__name__}" if fault.__cause__ else ""
    return f"{type(fault).__name__}{at}{before}"


def _since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 1)
