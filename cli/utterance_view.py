"""How an utterance and its way through the scheduler look in a terminal.

Owns words and layout; the facts come from `peers.timeline`. Fits 80 characters where the texts do.
"""

from rich.console import Group
from rich.text import Text

from peers.timeline import RESULT, UtteranceRecord
from protocol.session_outbound import UiEventKind

_STAGES = (
    (UiEventKind.QUEUED, "queued"),
    (UiEventKind.DISPATCHED, "dispatched"),
    (UiEventKind.NODE_ACCEPTED, "taken by a node"),
    (UiEventKind.ASR_PARTIAL, "first words"),
    (UiEventKind.ASR_FINAL, "recognised"),
    (UiEventKind.NMT_DONE, "translated"),
    (RESULT, "delivered"),
)
"""Mark of the timeline and how a reader calls it, in the order of an utterance's life."""
_SERVICES = (("asr_ms", "recognise"), ("nmt_ms", "translate"), ("tts_ms", "speak"))
_LABEL_WIDTH = 14


def utterance_view(record: UtteranceRecord, transcript: str | None = None) -> Group:
    """Return an utterance: what was heard, what came out, when.

    `transcript` is what was really said, where that is known.
    """
    rows = [Text(f"{record.source or 'speech'}  #{record.index}", style="bold")]
    if transcript is not None:
        rows.append(_row("said", transcript))
    result = record.result
    if result is None:
        reason = record.missing.value if record.missing else "no answer"
        rows.append(_row("no result", " ".join([reason, *record.error_codes]), "red"))
    else:
        rows.append(_row("recognised", result.text_asr))
        if result.text_translated:
            rows.append(_row("translated", result.text_translated, "green"))
        else:
            rows.append(_row("translated", "nothing", "yellow"))
    rows.append(_row("end of speech", stages(record), "dim"))
    timings = services(record)
    if timings:
        rows.append(_row("in the node", timings, "dim"))
    return Group(*rows)


def stages(record: UtteranceRecord) -> str:
    """Return when each stage was heard of, in ms after the end of speech."""
    heard = [
        f"{name} +{record.marks_ms[str(mark)]:.0f} ms"
        for mark, name in _STAGES
        if str(mark) in record.marks_ms
    ]
    return " · ".join(heard) or "nothing was heard"


def services(record: UtteranceRecord) -> str:
    """Return how long the node's stages took."""
    timings = record.result.service_timings if record.result else None
    if timings is None:
        return ""
    known = ((name, getattr(timings, field)) for field, name in _SERVICES)
    return " · ".join(f"{name} {ms:.0f} ms" for name, ms in known if ms is not None)


def _row(label: str, text: str, style: str = "") -> Text:
    return Text.assemble((f"  {label:<{_LABEL_WIDTH}}", "dim"), (text, style))
