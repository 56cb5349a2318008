"""How an utterance and its way through the scheduler look in a terminal.

Owns words and layout; the facts come from `peers.client.timeline`. Fits 80 characters where the
texts do.
"""

from rich.table import Table
from rich.text import Text

from peers.client.timeline import RESULT, UtteranceRecord
from protocol.messages.session_outbound import (
    AsrPartial,
    MissingResult,
    TranslationResult,
    UiEventKind,
)

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


def utterance_view(
    record: UtteranceRecord,
    transcript: str | None = None,
    outcome: TranslationResult | MissingResult | None = None,
) -> Table:
    """Return an utterance: what was heard, what came out, when.

    `transcript` is what was really said, where that is known; `outcome`: which of several.
    """
    view = Table.grid(padding=(0, 2))
    view.add_column(style="dim", no_wrap=True)
    view.add_column(overflow="fold")
    name = record.source or "speech"
    if outcome is not None and record.languages > 1:
        name = f"{name} → {outcome.tgt_lang}"
    view.add_row(Text(f"#{record.index}", style="bold"), Text(name, "bold"))
    if transcript is not None:
        view.add_row("said", Text(transcript))
    result = record.result
    if outcome is not None:
        result = outcome if isinstance(outcome, TranslationResult) else None
    if result is None:
        reason = record.missing.value if record.missing else "no answer"
        view.add_row("no result", Text(" ".join([reason, *record.error_codes]), "red"))
    else:
        view.add_row("recognised", Text(result.text_asr))
        translation = Text(result.text_translated, "green")
        view.add_row("translated", translation or Text("nothing", "yellow"))
    view.add_row("after speech", Text(stages(record), "dim"))
    if record.first_words_ms is not None and record.was_heard_while_spoken:
        words = f"{record.first_words_ms / 1000:.1f} s after its beginning"
        view.add_row("first words", Text(words, "dim"))
    timings = services(record)
    if timings:
        view.add_row("in the node", Text(timings, "dim"))
    view.add_row()
    return view


def growing_view(partial: AsrPartial) -> Text:
    """Return what is being said: what will not change any more, the rest, the translation below."""
    stable = partial.stable_chars or 0
    view = Text(partial.text[:stable])
    view.append(partial.text[stable:], "dim italic")
    if partial.text_translated:
        view.append(f"\n{partial.text_translated}", "green")
    return view


def stages(record: UtteranceRecord) -> str:
    """Return when each stage was heard of, in ms after the end of speech; none before it."""
    marks_ms = record.marks_ms
    heard = [
        f"{name} +{marks_ms[str(mark)]:.0f} ms"
        for mark, name in _STAGES
        if marks_ms.get(str(mark), -1.0) >= 0
    ]
    return " · ".join(heard) or "nothing was heard"


def services(record: UtteranceRecord) -> str:
    """Return how long the node's stages took."""
    timings = record.result.service_timings if record.result else None
    if timings is None:
        return ""
    known = ((name, getattr(timings, field)) for field, name in _SERVICES)
    return " · ".join(f"{name} {ms:.0f} ms" for name, ms in known if ms is not None)
