"""ReapSteps: clearing up after an instance that died, in bounded steps."""

from collections.abc import Sequence

from loguru import logger

from actors.faults import InstanceExpired
from actors.job_steps import JobSteps
from actors.step import Step
from protocol.ids import InstanceId
from storage.cells import Cell
from storage.instances import InstanceRepository
from storage.replies import Fenced, Reaped, Revived


class ReapSteps:
    """Frees what a dead instance held; jobs of ours on its nodes go elsewhere."""

    def __init__(self, instances: InstanceRepository, jobs: JobSteps) -> None:
        self._instances = instances
        self._jobs = jobs

    def expired(self, message: InstanceExpired) -> Sequence[Step]:
        """An instance's lease has lapsed."""
        return (self._reap(message.instance_id, message.cell),)

    def _reap(self, dead_id: InstanceId, cell: Cell) -> Step:
        def apply(reply: Reaped | Revived | Fenced) -> Sequence[Step]:
            if not isinstance(reply, Reaped):
                return ()
            if reply.finished:
                logger.info("cleared up after a dead instance", dead=dead_id)
            driven_on = self._jobs.node_lost(reply.jobs, cell)
            return (*driven_on, self._reap(dead_id, cell)) if reply.more else driven_on

        return Step(self._instances.reap(dead_id, cell=cell), apply)
