"""What a node says about itself: its registration and its heartbeats.

Owns how engines and machine become the fields of both messages. Sends nothing.
"""

import os
import sys
import time
from dataclasses import dataclass

from peers.engines import opus
from peers.engines.engine import Engines
from peers.node.machine_load import MachineLoad, memory_gb
from protocol.audio.framing import AudioFormat
from protocol.ids import NodeId
from protocol.messages.node_inbound import (
    LanguageCapabilities,
    NodeHeartbeat,
    NodeRegister,
    ResourceUsage,
)
from protocol.messages.shared import Features
from protocol.wire import JsonObject

VERSION = "2.0.0"
"""Of the node's side of the protocol."""
SCHEMA_VERSION = "2.0"
_PLATFORMS = {"win32": "windows", "darwin": "macos"}
_NO_FEATURES = Features(
    emotion_detection=False,
    voice_style_detection=False,
    speech_rate_detection=False,
    speech_rate_control=False,
    speaker_identification=False,
    persona_adaptation=False,
)
_NO_LANGUAGES = LanguageCapabilities(
    asr_languages=(), semantic_languages=(), tts_languages=(), semantic_core_ready=False
)


@dataclass(frozen=True, slots=True)
class WorkLoad:
    """What a node has to do at one moment."""

    running_jobs: int
    waiting_jobs: int
    """Beyond the node's capacity; above 0 the scheduler is asked for no more."""


class NodeProfile:
    """The node as the scheduler sees it; lives as long as the node."""

    def __init__(self, engines: Engines, max_jobs: int) -> None:
        self._engines = engines
        self._max_jobs = max_jobs
        self._load = MachineLoad()

    def registration(self, node_id: NodeId | None) -> NodeRegister:
        """Return the first message of a connection."""
        return NodeRegister(
            node_id=node_id,
            version=VERSION,
            capability_schema_version=SCHEMA_VERSION,
            platform=_PLATFORMS.get(sys.platform, "linux"),
            hardware={"cpu_cores": os.cpu_count() or 1, "memory_gb": memory_gb()},
            installed_models=[],
            installed_services=self._services(),
            capability_by_type=self._capabilities(),
            features_supported=_NO_FEATURES,
            accept_public_jobs=True,
            language_capabilities=self._languages(),
            audio_formats=_readable_formats(),
            max_concurrent_jobs=self._max_jobs,
            streaming=True if self._engines.stream is not None else None,
        )

    def heartbeat(
        self, node_id: NodeId, work: WorkLoad, *, is_leaving: bool = False
    ) -> NodeHeartbeat:
        """Return a sign of life with the load of this moment; who leaves offers no language."""
        return NodeHeartbeat(
            node_id=node_id,
            timestamp=int(time.time() * 1000),
            resource_usage=ResourceUsage(
                cpu_percent=self._load.cpu_percent(),
                gpu_percent=0.0,
                mem_percent=self._load.mem_percent(),
                running_jobs=work.running_jobs,
                gpu_queue_length=work.waiting_jobs or None,
            ),
            installed_services=self._services(),
            capability_by_type=self._capabilities(),
            language_capabilities=_NO_LANGUAGES if is_leaving else self._languages(),
        )

    def _services(self) -> list[JsonObject]:
        return [
            {
                "service_id": name.split()[0],
                "type": kind,
                "device": "cpu",
                "status": "running",
                "version": name.partition(" ")[2],
            }
            for kind, name in self._engines.names.items()
        ]

    def _capabilities(self) -> list[JsonObject]:
        languages = self._engines.languages
        offered = {"asr": languages.asr, "nmt": languages.semantic, "tts": languages.tts}
        return [
            {"type": kind, "ready": bool(codes), "devices": ["cpu"]}
            for kind, codes in offered.items()
        ]

    def _languages(self) -> LanguageCapabilities:
        languages = self._engines.languages
        return LanguageCapabilities(
            asr_languages=languages.asr,
            semantic_languages=languages.semantic,
            tts_languages=languages.tts,
            semantic_core_ready=bool(languages.semantic),
        )


def _readable_formats() -> tuple[AudioFormat, ...]:
    """Return the formats of audio that this node can read with what is installed."""
    return tuple(AudioFormat) if opus.is_installed() else (AudioFormat.PCM16,)
