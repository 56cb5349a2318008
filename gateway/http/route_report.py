"""Why a pair of languages has the capacity it has, or none: each node, and what waits. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.http.report_rows import why_not_chosen
from storage.capability import preference, requirement, without_format
from storage.nodes import NodeRecord
from storage.replies.report import Waiting, WaitingPair

Row = Mapping[str, Any]
_SLOW = 2
"""How much longer than the best a node may take that counts as equal to it."""
_MOST_NODES = 200
"""Rows; those that serve the pair come first."""


def route_report(
    src: str, tgt: str, nodes: Iterable[tuple[NodeRecord, Row]], waiting: Waiting, now_ms: int
) -> dict[str, Any]:
    """Return for a pair each node with its free slots and why it is or is not chosen.

    Nodes come as they are, and as reports show them.
    """
    needed = requirement(src, tgt, use_nmt=True)
    rows = [{**shown, **_about(record, src, tgt, needed, now_ms)} for record, shown in nodes]
    _mark_slow(rows)
    rows.sort(key=_rank)
    capable = [row for row in rows if row["serves_pair"]]
    free = [row for row in capable if row["can_be_chosen"]]
    for row in free[:1]:
        row["is_next"] = True
        row["reasons"] = ["chosen next", *row["reasons"]]
    pairs = [pair for pair in waiting.pairs if _is_about(pair, src, tgt, needed)]
    slots = {
        "free": sum(row["free_slots"] for row in free),
        "max": sum(row["slots"]["max"] for row in capable),
    }
    return {
        "src_lang": src,
        "tgt_lang": tgt,
        "summary": _summary(capable, free, slots["free"]),
        "slots": slots,
        "waiting": {
            "jobs": sum(pair.jobs for pair in pairs),
            "oldest_wait_ms": max((pair.oldest_ms for pair in pairs), default=0),
            "is_complete": waiting.looked_at >= waiting.jobs,
        },
        "nodes": rows[:_MOST_NODES],
        "nodes_not_shown": max(0, len(rows) - _MOST_NODES),
    }


def _bare(needed: str) -> str:
    return without_format(needed)[0]


def _is_about(pair: WaitingPair, src: str, tgt: str, needed: str) -> bool:
    return _bare(pair.requirement) == needed or (pair.source, pair.language) == (src, tgt)


def _about(record: NodeRecord, src: str, tgt: str, needed: str, now_ms: int) -> dict[str, Any]:
    atoms = frozenset(record.atoms)
    missing = [atom for atom in needed.split(",") if atom not in atoms]
    penalised_ms = max(
        (until - now_ms for each, until in record.penalties.items() if _bare(each) == needed),
        default=0,
    )
    free = max(0, record.max_jobs - record.used_slots)
    is_online = record.state == "online"
    reasons = [
        *(f"does not recognise {src}" for atom in missing if atom.startswith("a:")),
        *(f"does not translate into {tgt}" for atom in missing if atom.startswith("s:")),
        *(why for why in why_not_chosen(record, now_ms) if not why.startswith("lacked a model")),
    ]
    if penalised_ms > 0:
        reasons.append(f"lacked a model for this pair; for {penalised_ms} ms")
    speaks = _speaks(atoms, src, tgt)
    if not missing and not speaks:
        reasons.append(f"does not speak {tgt}; others that do go first")
    return {
        "serves_pair": not missing,
        "speaks": speaks,
        "free_slots": free,
        "can_be_chosen": not missing and is_online and free > 0 and penalised_ms <= 0,
        "is_next": False,
        "load": record.used_slots / record.max_jobs if record.max_jobs else 1.0,
        "reasons": reasons,
    }


def _mark_slow(rows: list[dict[str, Any]]) -> None:
    """Say of nodes that take more than twice as long as the best with a free slot."""
    measured = [row for row in rows if row["can_be_chosen"] and row["ms_per_second"]]
    best = min((row["ms_per_second"] for row in measured), default=None)
    for row in rows:
        took = row["ms_per_second"]
        row["is_slow"] = bool(best and took and took > _SLOW * best)
        if row["is_slow"]:
            text = f"slow: {took:.0f} ms for a second of speech, another {best:.0f} ms"
            row["reasons"] = [*row["reasons"], f"{text}; fast ones go first"]


def _speaks(atoms: frozenset[str], src: str, tgt: str) -> bool:
    wish = preference(src, tgt, use_nmt=True, use_tts=True).split()[-1]
    return all(atom in atoms for atom in wish.split(","))


def _rank(row: dict[str, Any]) -> tuple[Any, ...]:
    """Order rows as nodes are chosen: unmarked ones first, then who speaks it, then by load."""
    is_marked = row["suspect"] or row["is_overloaded"]
    return (
        not row["serves_pair"],
        not row["can_be_chosen"],
        row["health"] in ("sick", "erring"),
        is_marked,
        not row["speaks"],
        row["is_slow"],
        row["load"],
        row["node_id"],
    )


def _summary(capable: list[dict[str, Any]], free: list[dict[str, Any]], slots: int) -> str:
    if free:
        plural = "" if slots == 1 else "s"
        return (
            f"{slots} free slot{plural} at {len(free)} of {len(capable)} nodes that serve this pair"
        )
    if not capable:
        return "no node that is connected serves this pair"
    return f"none of the {len(capable)} nodes that serve this pair can be chosen now"
