"""How reports look in a terminal. Pure: what is shown comes from the reports as they are."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Row = Mapping[str, Any]

_SECOND_MS = 1000
_MINUTE_MS = 60_000
_HOUR_MS = 3_600_000


def duration(ms: float | None) -> str:
    """Return a length of time in the unit that fits."""
    if ms is None:
        return "-"
    if ms < _SECOND_MS:
        return f"{ms:.0f} ms"
    if ms < _MINUTE_MS:
        return f"{ms / _SECOND_MS:.1f} s"
    if ms < _HOUR_MS:
        return f"{ms / _MINUTE_MS:.0f} min"
    return f"{ms / _HOUR_MS:.1f} h"


def table(titles: Sequence[str], rows: Iterable[Sequence[object]], nothing: str) -> RenderableType:
    """Return a table, or a line where it would be empty."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        made.add_column(title, overflow="fold", no_wrap=title in {"NODE", "SESSION", "JOB"})
    for row in rows:
        made.add_row(*(Text(_cell(value)) for value in row))
    return made if made.row_count else Text(nothing)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))


def nodes_view(rows: Iterable[Row]) -> RenderableType:
    """Return nodes, the slowest first where that is known."""
    return table(
        (
            "NODE",
            "STATE",
            "SLOTS",
            "SPEED",
            "ERRORS",
            "LANGUAGES",
            "INSTANCE",
            "NOT CHOSEN BECAUSE",
        ),
        (
            (
                row["node_id"],
                "drained" if row.get("is_drained") else row["state"],
                f"{row['slots']['used']}/{row['slots']['max']}",
                speed(row),
                errors(row),
                f"{','.join(row['asr_languages'])} > {','.join(row['semantic_languages'])}",
                row["instance_id"],
                "; ".join(row["why_not_chosen"]),
            )
            for row in sorted(rows, key=lambda row: -(row.get("ms_per_second") or 0))
        ),
        "no node is connected",
    )


def speed(row: Row) -> str:
    """Return how long a node takes for a second of speech."""
    found = row.get("ms_per_second")
    return "too few jobs" if found is None else f"{found:.0f} ms/s"


def errors(row: Row) -> str:
    """Return how many of a node's last jobs failed."""
    found = row.get("recent_jobs")
    return "-" if not found else f"{row.get('recent_errors', 0)} of {found}"


def sessions_view(rows: Iterable[Row], now_ms: float) -> RenderableType:
    """Return sessions, the longest first."""
    return table(
        ("SESSION", "STATE", "LANGUAGES", "OPEN", "AGE", "PLATFORM", "TENANT", "ROOM", "INSTANCE"),
        (
            (
                row["session_ref"],
                row["state"],
                f"{row['src_lang']} > {row['tgt_lang']}",
                row["open_utterances"],
                duration(now_ms - row["opened_at_ms"]),
                row["platform"],
                row["tenant_id"],
                "yes" if row["in_room"] else "",
                row["instance_id"],
            )
            for row in sorted(rows, key=lambda row: row["opened_at_ms"])
        ),
        "no session is open",
    )


def jobs_view(rows: Iterable[Row]) -> RenderableType:
    """Return jobs in the order of the report."""
    return table(
        ("JOB", "STATE", "LANGUAGES", "AGE", "ATTEMPT", "NODE", "REASON", "SESSION", "INSTANCE"),
        (
            (
                row["job_id"],
                row["state"],
                f"{row['src_lang']} > {row['tgt_lang']}",
                duration(row["age_ms"]),
                row["attempt"],
                row["node"],
                row["reason"],
                row["session_ref"],
                row["instance_id"],
            )
            for row in rows
        ),
        "there are no jobs",
    )


def job_view(job: Row) -> RenderableType:
    """Return a job with its timeline."""
    began_ms = job["timeline"][0]["at_ms"] if job["timeline"] else 0
    head = Text(
        f"{job['job_id']}: {job['state']}, attempt {job['attempt']}, into {job['language']}"
        + (f", {job['reason']}" if job["reason"] else "")
        + f", session {job['session_ref']}"
    )
    moments = table(
        ("AT", "AFTER", "EVENT", "ATTEMPT", "NODE"),
        (
            (
                datetime.fromtimestamp(step["at_ms"] / 1000, UTC).strftime("%H:%M:%S.%f")[:-3],
                duration(step["at_ms"] - began_ms),
                step["event"],
                step["attempt"],
                step["node"],
            )
            for step in job["timeline"]
        ),
        "it has no timeline",
    )
    return Group(head, moments)


def route_view(route: Row) -> RenderableType:
    """Return why a pair of languages has the capacity it has."""
    waiting = route["waiting"]
    longest, plural = duration(waiting["oldest_wait_ms"]), "" if waiting["jobs"] == 1 else "s"
    waits = f"{waiting['jobs']} utterance{plural} waiting, the first for {longest}"
    return Group(
        Text(f"{route['src_lang']} > {route['tgt_lang']}: {route['summary']}", style="bold"),
        Text(waits if waiting["jobs"] else "nothing waits"),
        table(
            ("NODE", "STATE", "FREE", "SPEED", "WHY"),
            (
                (
                    row["node_id"],
                    "drained" if row.get("is_drained") else row["state"],
                    f"{row['free_slots']} of {row['slots']['max']}",
                    speed(row),
                    "; ".join(row["reasons"]) or "can be chosen",
                )
                for row in route["nodes"]
            ),
            "no node is connected",
        ),
    )


def forgotten_view(found: Row) -> Text:
    """Return what was erased, and what could not be."""
    lines = [
        f"sessions ended     {found['sessions_ended']}",
        f"records erased     {found['records_erased']}",
        f"outcomes in these  {found['outcomes_erased']}",
    ]
    if found["sessions_still_open"]:
        lines.append(f"still open         {found['sessions_still_open']}")
    if found["silent_instances"]:
        lines.append(f"no answer from     {', '.join(found['silent_instances'])}")
    return Text("\n".join(lines))


def usage_view(usage: Row) -> RenderableType:
    """Return what tenants have used, in the order of the report."""
    return table(
        ("TENANT", "SESSIONS", "AUDIO", "JOBS"),
        (
            (
                row["tenant_id"],
                row["sessions"],
                duration(row["audio_seconds"] * _SECOND_MS),
                row["jobs"],
            )
            for row in usage["tenants"]
        ),
        f"nothing was used in {usage['month']}",
    )


def pairs_view(rows: Iterable[Row]) -> RenderableType:
    """Return what serves each pair, and what waits for it; what waits longest first."""
    return table(
        ("LANGUAGES", "WAITING", "LONGEST", "FREE", "SLOTS", "NODES"),
        (
            (
                f"{row['src_lang']} > {row['tgt_lang']}",
                row["waiting_jobs"],
                duration(row["oldest_wait_ms"]) if row["waiting_jobs"] else "",
                row["free_slots"],
                row["slots"],
                row["nodes"],
            )
            for row in sorted(rows, key=lambda row: -row["oldest_wait_ms"])
        ),
        "no pair of languages is served",
    )


def status_view(stats: Row, cluster: Row) -> RenderableType:
    """Return how the whole service stands."""
    store = stats.get("store", {})
    is_well = store.get("ok", False)
    jobs = stats.get("jobs", {})
    lines = [
        f"store      {'answers' if is_well else store.get('error', 'does not answer')}",
        f"instances  {_of(cluster, 'instances')}",
        f"sessions   {cluster.get('total_sessions', '?')}",
        f"nodes      {_of(cluster, 'nodes')}",
        "jobs       " + (", ".join(f"{count} {state}" for state, count in jobs.items()) or "?"),
        f"latency    {_latency(stats.get('latency_ms', {}))}",
    ]
    return Group(Text("\n".join(lines)), Text(""), pairs_view(stats.get("pairs", ())))


def _of(cluster: Row, what: str) -> str:
    return f"{cluster.get(f'online_{what}', '?')} of {cluster.get(f'total_{what}', '?')}"


def _latency(latency: Mapping[str, Mapping[str, float]]) -> str:
    named = (("final_to_assign", "to a node"), ("final_to_result", "to the result"))
    shown = [
        f"{name} {duration(found['p50'])} (p99 {duration(found['p99'])})"
        for key, name in named
        if (found := latency.get(key))
    ]
    return ", ".join(shown) or "nothing measured yet"
