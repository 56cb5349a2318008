"""Subtitles of what was said, as an SRT file: one entry for each result, at its time in the audio.

Times are those of the audio that was sent, from its first sample on, whatever the pace. Pure.
"""

from collections.abc import Iterable

from protocol.messages.session_outbound import TranslationResult

_SHORTEST_MS = 1


def srt(results: Iterable[TranslationResult]) -> str:
    """Return the translations, or what was recognised where nothing was translated, in order."""
    spoken = [one for one in results if _text(one)]
    spoken.sort(key=lambda one: (one.speech_start_ms or 0, one.utterance_index))
    entries = []
    for number, result in enumerate(spoken, start=1):
        start_ms = result.speech_start_ms or 0
        end_ms = max(result.speech_end_ms or 0, start_ms + _SHORTEST_MS)
        entries.append(f"{number}\n{_time(start_ms)} --> {_time(end_ms)}\n{_text(result)}\n")
    return "\n".join(entries)


def _text(result: TranslationResult) -> str:
    """Return the text without what would end an entry: empty lines, and arrows."""
    text = result.text_translated.strip() or result.text_asr.strip()
    lines = (" ".join(line.split()) for line in text.replace("-->", "->").splitlines())
    return "\n".join(line for line in lines if line)


def _time(at_ms: int) -> str:
    seconds, milliseconds = divmod(at_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02},{milliseconds:03}"
