"""The tables of a bench: which figures a reader sees, in which order, under which name."""

from typing import Final

from rich import box
from rich.table import Table

from peers.bench.plan import Row

_LINES: Final = (
    ("peak_per_second", "peak goodput/s", ",.0f"),
    ("offered_per_second", "offered/s", ",.0f"),
    ("goodput_per_second", "goodput/s", ",.0f"),
    ("goodput_kept_percent", "goodput kept %", ".0f"),
    ("refused", "refused", ",.0f"),
    ("utterances_per_second", "utterances/s", ",.0f"),
    ("chunks_per_second", "chunks/s", ",.0f"),
    ("server_busy_percent", "server busy %", ".0f"),
    ("server_kept_waiting_percent", "server waiting %", ".0f"),
    ("load_busy_percent", "load busy %", ".0f"),
    ("server_cpu_us_per_utterance", "server µs/utterance", ",.0f"),
    ("server_cpu_us_per_chunk", "server µs/chunk", ",.1f"),
    ("store_cpu_us_per_utterance", "store µs/utterance", ",.0f"),
    ("assign_p50_ms", "assign p50 ms", ",.1f"),
    ("assign_p99_ms", "assign p99 ms", ",.1f"),
    ("result_p50_ms", "result p50 ms", ",.1f"),
    ("result_p99_ms", "result p99 ms", ",.1f"),
    ("quiet_p50_ms", "quiet p50 ms", ",.1f"),
    ("attacked_p50_ms", "attacked p50 ms", ",.1f"),
    ("quiet_p95_ms", "quiet p95 ms", ",.1f"),
    ("attacked_p95_ms", "attacked p95 ms", ",.1f"),
    ("scripts_per_utterance", "scripts/utterance", ".2f"),
    ("round_trips_per_utterance", "trips/utterance", ".2f"),
    ("idle_kb_per_session", "kB/idle session", ".1f"),
    ("resident_before_mib", "resident before MiB", ",.0f"),
    ("resident_after_mib", "resident after MiB", ",.0f"),
    ("audio_bytes_held_after", "audio bytes held", ".0f"),
    ("outcomes", "outcomes", ",.0f"),
    ("most_open_at_a_node", "most open at node", ".0f"),
    ("load_behind_ms", "load behind ms", ".0f"),
    *(
        row
        for name in ("moonshine", "pocketsphinx")
        for row in (
            (f"{name}_whole_ms", f"{name}: whole, ms", ",.0f"),
            (f"{name}_streamed_ms", "  streamed, ms", ",.0f"),
            (f"{name}_ratio", "  ratio", ".2f"),
            (f"{name}_long_whole_ms", "  20 s: whole, ms", ",.0f"),
            (f"{name}_long_streamed_ms", "  20 s: streamed, ms", ",.0f"),
            (f"{name}_long_ratio", "  20 s: ratio", ".2f"),
            (f"{name}_first_words_ms", "  first words, ms", ",.0f"),
        )
    ),
    ("whole_us_per_chunk", "µs/chunk, whole", ",.1f"),
    ("streamed_us_per_chunk", "µs/chunk, streamed", ",.1f"),
    ("streamed_chunk_ratio", "CPU/chunk, ratio", ".2f"),
    ("streamed_percent", "streamed %", ".0f"),
    ("whole_goodput_per_second", "goodput/s, whole", ",.1f"),
    ("streamed_goodput_per_second", "goodput/s, streamed", ",.1f"),
    ("streamed_goodput_ratio", "goodput, ratio", ".2f"),
    ("workers", "workers", ".0f"),
    ("utterances_offered_per_second", "utterances/s, each", ",.0f"),
    ("one_us_per_utterance", "µs/utterance, one", ",.0f"),
    ("part_us_per_utterance", "µs/utterance, part", ",.0f"),
    ("many_us_per_utterance", "µs/utterance, several", ",.0f"),
    ("utterance_cpu_ratio", "CPU/utterance, ratio", ".2f"),
    ("utterance_cpu_ratio_as_busy", "ratio, as busy", ".2f"),
    ("utterance_store_cpu_ratio", "store, ratio", ".2f"),
    ("one_trips_per_utterance", "trips/utterance, one", ".2f"),
    ("part_trips_per_utterance", "trips, part", ".2f"),
    ("many_trips_per_utterance", "trips, several", ".2f"),
    ("one_waiting_percent", "waiting %, one", ".0f"),
    ("many_waiting_percent", "waiting %, several", ".0f"),
    ("utterances_crossed_percent", "crossed %", ".0f"),
    ("ingest_chunks_per_second", "chunks/s, each", ",.0f"),
    ("one_us_per_chunk", "µs/chunk, one", ",.1f"),
    ("many_us_per_chunk", "µs/chunk, several", ",.1f"),
    ("chunk_cpu_ratio", "CPU/chunk, ratio", ".2f"),
    ("chunk_cpu_ratio_as_busy", "ratio, as busy", ".2f"),
    ("ingest_crossed_percent", "crossed % (ingest)", ".0f"),
    ("busiest_worker_percent", "busiest worker's %", ".0f"),
    ("projected_ingest_ratio", "ingest, projected", ".2f"),
    ("projected_ingest_ratio_here", "projected, this load", ".2f"),
)
"""Name of a figure, how a reader calls it, and its layout."""

_MOST_COLUMNS: Final = 6


def tables_of(rows: list[Row]) -> list[Table]:
    """Return a column per scenario, in as many tables as it takes to fit 80 characters."""
    starts = range(0, len(rows), _MOST_COLUMNS)
    return [_table_of(rows[start : start + _MOST_COLUMNS]) for start in starts]


def _table_of(rows: list[Row]) -> Table:
    """Return a column per scenario, a line per figure that any of them has."""
    table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        table.add_column(str(row.scenario).replace("-", "\n"), justify="right")
    for name, label, layout in _LINES:
        values = [row.figures.get(name) for row in rows]
        if any(value is not None for value in values):
            table.add_row(label, *(_cell(value, layout) for value in values))
    return table


def _cell(value: float | None, layout: str) -> str:
    return "" if value is None else format(value, layout)
