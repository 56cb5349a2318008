"""FailOver: a job whose node is lost, too slow or of no use goes to another one, or is given up.

The store decides which node, and whether an attempt is left. Until it has answered, no answer to
the job counts.
"""

from collections.abc import Sequence
from functools import partial

from loguru import logger

from actors.dispatcher.assigner import OVERTAKEN, TURN_MOVED
from actors.dispatcher.driver import Driver
from actors.dispatcher.job_ends import GIVEN_UP, JobEnds
from actors.dispatcher.job_restorer import JobRestorer
from actors.dispatcher.open_jobs import OpenJob
from actors.dispatcher.options import DispatchOptions
from actors.dispatcher.step import Step
from protocol.errors import MissingReason
from protocol.ids import NO_INSTANCE
from storage.job import FINAL_STATES
from storage.jobs import Failover
from storage.replies.job import Assigned, Duplicate, GivenUp, Gone, Queued, Stale


class FailOver:
    """Moves jobs; of a turn all that is open at the node, in order."""

    def __init__(
        self, ends: JobEnds, restorer: JobRestorer, driver: Driver, options: DispatchOptions
    ) -> None:
        self._ends = ends
        self._restorer = restorer
        self._driver = driver
        self._options = options

    def move(self, job: OpenJob, reason: str) -> Sequence[Step]:
        """Give the job to another node, and with it what is open of its turn there, in order."""
        return tuple(self.fail_over(other, reason) for other in self._ends.open_jobs.with_turn(job))

    def fail_over(self, job: OpenJob, reason: str) -> Step:
        """Give one job to another node, or let it wait for one."""
        self._ends.withdraw(job, reason)
        job.is_moving = True
        is_refused = reason in ("processing_error", "model_not_available")
        job.moved_because = GIVEN_UP[reason] if is_refused else MissingReason.NODE_LOST
        log = logger.warning if reason == "processing_error" else logger.debug
        log(
            "job moves",
            job_id=job.spec.job_id,
            node_id=job.node_id,
            attempt=job.attempt,
            reason=reason,
        )
        failover = Failover(
            job_id=job.spec.job_id,
            attempt=job.attempt,
            node_id=job.node_id,
            reason=reason,
            exclude_node=reason not in ("turn_wait", OVERTAKEN, TURN_MOVED),
            avoid=self._ends.out_of_reach(job) if reason == "undeliverable" else NO_INSTANCE,
            penalty_ms=self._options.model_penalty_ms if reason == "model_not_available" else 0,
            outcome=self._ends.recorded(job.spec, GIVEN_UP[reason]),
            cell=job.cell,
        )
        done = partial(self._failed_over, job, reason)
        return Step(self._ends.jobs.failover(failover), done, job_id=job.spec.job_id)

    def _failed_over(
        self,
        job: OpenJob,
        reason: str,
        reply: Assigned | Queued | GivenUp | Duplicate | Stale | Gone,
    ) -> Sequence[Step]:
        job.is_moving = False
        match reply:
            case Assigned():
                return self._driver.placed(reply)
            case Queued():
                return self._driver.queued(job, reply)
            case GivenUp():
                self._ends.give_up(job, GIVEN_UP[reason])
                return ()
            case Duplicate() if reply.state not in FINAL_STATES:
                return self._driver.placed(reply)
            case Gone() if job.spec.job_id in self._ends.open_jobs:
                return self._dispatch_again(job, reason)
            case Duplicate() if job.spec.job_id in self._ends.open_jobs:
                # Its end is on the way, or the store ended it without us: look again.
                return (self._restorer.restore(job, GIVEN_UP[reason]).later(),)
            case Duplicate() | Gone() | Stale():
                return ()

    def _dispatch_again(self, job: OpenJob, reason: str) -> Sequence[Step]:
        """The store has lost a job that had to move."""
        logger.warning("the store lost a job that had to move", job_id=job.spec.job_id)
        if job.attempt >= self._options.max_attempts:
            self._ends.give_up(job, GIVEN_UP[reason])
            return ()
        return (self._restorer.dispatch_again(job),)
