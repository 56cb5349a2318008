"""What a node says of itself: languages, capacity, load. Pure."""

from actors.messages.node import Languages
from protocol.messages.node_inbound import LanguageCapabilities, ResourceUsage


def languages(capabilities: LanguageCapabilities | None) -> Languages:
    """Return the lists of a registration or heartbeat; empty where it names none."""
    if capabilities is None:
        return Languages()
    return Languages(
        asr=tuple(dict.fromkeys(capabilities.asr_languages or ())),
        semantic=tuple(dict.fromkeys(capabilities.semantic_languages or ())),
        tts=tuple(dict.fromkeys(capabilities.tts_languages or ())),
    )


def is_overloaded(usage: ResourceUsage | None, threshold_percent: float) -> bool:
    """Return whether the node asks for no new work while others have room.

    A queue before its GPU is the node's own word for it; a resource above the threshold is ours.
    """
    if usage is None:
        return False
    if usage.gpu_queue_length:
        return True
    percents = (usage.cpu_percent, usage.gpu_percent, usage.gpu_mem_percent, usage.mem_percent)
    return any(percent is not None and percent > threshold_percent for percent in percents)
