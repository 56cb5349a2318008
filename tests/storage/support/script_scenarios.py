"""For each word that a script can answer: how to get there. Used wherever all of them matter."""

from tests.storage.support import (
    cell_scenarios,
    job_scenarios,
    node_scenarios,
    room_scenarios,
    session_scenarios,
)
from tests.storage.support.scenario_table import SCENARIOS

__all__ = ["SCENARIOS"]

FILES = (cell_scenarios, job_scenarios, node_scenarios, room_scenarios, session_scenarios)
"""Each enters its scenarios when it is imported."""
