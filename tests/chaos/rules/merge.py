"""That words which end as merged are in what their node said about a later segment."""

from collections.abc import Iterator

from tests.chaos.log import Answer, DataLost, Event, JobAnswered, JobHeard, OutcomeHeard
from tests.chaos.rules.session import public


class MergeRule:
    """A merged segment was with the node, under the turn's name there, before that answered.

    Else the node has not put its audio to the later segment's, and the words are lost. A store
    that lost its data may tear a turn apart.
    """

    name = "merge"

    def __init__(self) -> None:
        self._heard: dict[str, list[JobHeard]] = {}
        """Session → what nodes have heard of it."""
        self._answered_at: dict[tuple[str, str], float] = {}
        """Node and job id → when it gave an answer that ends a turn."""
        self._data_lost_at = -1.0

    def take(self, event: Event) -> Iterator[str]:
        """See `Rule.take`."""
        match event:
            case JobHeard():
                self._heard.setdefault(public(event.session), []).append(event)
            case DataLost():
                self._data_lost_at = event.at
            case JobAnswered() if event.answer in (Answer.FULL, Answer.EMPTY):
                self._answered_at.setdefault((event.node, event.job_id), event.at)
            case OutcomeHeard() if event.reason == "merged":
                if not self._is_in_a_later_one(event):
                    yield f"{event.session}:{event.index} is merged into nothing"

    def _is_in_a_later_one(self, outcome: OutcomeHeard) -> bool:
        heard = self._heard.get(outcome.session, [])
        mine = [job for job in heard if job.index == outcome.index]
        if any(job.at < self._data_lost_at for job in mine):
            return True
        return any(
            later.index > job.index
            and (later.node, later.turn) == (job.node, job.turn)
            and self._answered_at.get((later.node, later.job_id), 0.0) >= job.at
            for job in mine
            for later in heard
        )

    def forget(self, session: str) -> None:
        """See `Rule.forget`."""
        for job in self._heard.pop(session, ()):
            self._answered_at.pop((job.node, job.job_id), None)
