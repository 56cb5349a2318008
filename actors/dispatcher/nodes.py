"""Nodes: which script follows what a node did, and what its reply means."""

from collections.abc import Iterable, Sequence
from functools import partial

from loguru import logger

from actors.directory import Directory
from actors.dispatcher.job_driver import JobDriver
from actors.dispatcher.node_cells import NodeCells
from actors.dispatcher.step import Expiry, Step
from actors.messages.node import (
    NodeAccepted,
    NodeArrived,
    NodeBeat,
    NodeChanged,
    NodeDrained,
    NodeDraining,
    NodeHeld,
    NodeLost,
    NodeRefused,
    NodeSuperseded,
    NodeUnknown,
    NodeUpdated,
    SlotsListed,
    SlotsWanted,
)
from actors.node.options import NodeOptions
from actors.ports import Mailbox
from actors.runtime.actor import tell
from protocol.ids import NodeId
from storage.capability import JOINS_TURNS, STREAMING, node_atoms
from storage.cells import Cell
from storage.nodes import NodeHeartbeatEntry, NodeRegistration, NodeRepository
from storage.replies.job import (
    Beaten,
    Fenced,
    IdTaken,
    NodeRemoved,
    Registered,
    SlotsHeld,
    Superseded,
)

_BEAT_KEPT_MS = 1000
_LEASE_FACTOR = 2
"""The store forgets a silent node later than its actor does: the actor drives its jobs on."""


def _atoms(message: NodeArrived | NodeChanged | NodeHeld) -> tuple[str, ...]:
    known = message.languages
    traits = [JOINS_TURNS] * message.joins_turns + [STREAMING] * known.streaming
    return node_atoms(known.asr, known.semantic, known.tts, known.formats, traits)


class Nodes:
    """Turns messages about nodes into steps; jobs that nodes gain or lose go to `JobDriver`."""

    def __init__(
        self, nodes: NodeRepository, directory: Directory, jobs: JobDriver, options: NodeOptions
    ) -> None:
        self._nodes = nodes
        self._directory = directory
        self._jobs = jobs
        self._options = options
        self.epochs: dict[NodeId, int] = {}
        """The latest registration of each node here, until its loss is in the store."""
        self.cells = NodeCells(nodes)
        self._held: set[NodeId] = set()
        """Nodes here that an operator has drained."""

    @property
    def _lease_ms(self) -> int:
        return self._options.node_timeout_ms * _LEASE_FACTOR

    def adopt(self, handover: "Nodes") -> None:
        """Go on where another one stopped."""
        self.epochs.update(handover.epochs)
        self._held.update(handover._held)  # noqa: SLF001 - another one of its class
        self.cells.adopt(handover.cells)

    def arrived(self, message: NodeArrived) -> Sequence[Step]:
        """A node registers, or registers again with what the store has lost."""
        atoms = _atoms(message)
        return self.cells.place(message.node_id, atoms, partial(self._register, message))

    def _register(self, message: NodeArrived, cell: Cell) -> Sequence[Step]:
        registration = NodeRegistration(
            node_id=message.node_id,
            atoms=_atoms(message),
            max_jobs=message.max_jobs,
            lease_ms=self._lease_ms,
            info=message.info,
            credential=message.credential,
            known_epoch=message.known_epoch,
            is_held=message.is_held,
            error_limit=self._options.node_error_limit,
            suspect_ms=self._options.suspect_ms,
        )

        def apply(reply: Registered | Superseded | IdTaken | Fenced) -> Sequence[Step]:
            if isinstance(reply, Fenced):  # this instance has no lease yet, or no longer
                return tuple(step.later() for step in self._register(message, cell))
            if isinstance(reply, IdTaken):
                tell(message.node, NodeRefused(is_taken=True))
                return ()
            if isinstance(reply, Superseded):
                self.epochs.pop(message.node_id, None)
                tell(message.node, NodeSuperseded(reply.owner_instance))
                return ()
            self.epochs[message.node_id] = reply.epoch
            self._jobs.assigner.node_came(message.node_id, message.connection)
            self._jobs.look_at_once()  # it may have more slots than one script fills
            if not self._is_here(message.node_id):  # it left while this was under way
                return self.lost(NodeLost(message.node_id, reply.epoch, cell))
            self._note_held(message.node_id, registration.atoms, is_held=reply.is_held)
            tell(message.node, NodeAccepted(reply.epoch, reply.is_held))
            return ()

        return (Step(self._nodes.register(registration, cell), apply),)

    def changed(self, message: NodeChanged) -> Sequence[Step]:
        """A node serves other languages than before; at once."""
        cell = self.cells.cell(message.node_id)
        if cell is None:
            self._unknown(message.node_id, message.epoch)
            return ()
        atoms = _atoms(message)
        call = self._nodes.update(message.node_id, message.epoch, atoms=atoms, cell=cell)

        def apply(reply: Registered | Fenced) -> Sequence[Step]:
            node = self._directory.nodes.get(message.node_id)
            if isinstance(reply, Fenced):
                self._unknown(message.node_id, message.epoch)
            elif node is not None:
                is_held = message.node_id in self._held
                self._note_held(message.node_id, atoms, is_held=is_held)
                tell(node, NodeUpdated(message.epoch))
            return ()

        return (Step(call, apply),)

    def draining(self, message: NodeDraining) -> Sequence[Step]:
        """The node finishes what it has; who it belongs to hears when nothing new comes."""
        cell = self.cells.cell(message.node_id)
        if cell is None:
            return ()  # it is not registered: there is nothing it could get
        call = self._nodes.update(message.node_id, message.epoch, draining=True, cell=cell)

        def apply(reply: Registered | Fenced) -> Sequence[Step]:
            node = self._directory.nodes.get(message.node_id)
            if isinstance(reply, Registered) and node is not None:
                self._directory.abilities.drop(message.node_id)
                tell(node, NodeDrained(message.epoch))
            return ()

        return (Step(call, apply),)

    def held(self, message: NodeHeld) -> Sequence[Step]:
        """An operator drains the node, or takes that back: then it may get what waits."""
        cell = self.cells.cell(message.node_id)
        if cell is None:
            return ()  # it says so again when it is registered
        is_held, is_draining = message.is_held, message.is_held or message.is_leaving
        call = self._nodes.update(
            message.node_id, message.epoch, draining=is_draining, is_held=is_held, cell=cell
        )

        def apply(reply: Registered | Fenced) -> Sequence[Step]:
            if isinstance(reply, Registered) and self._is_here(message.node_id):
                atoms = _atoms(message)
                self._note_held(message.node_id, atoms, is_held=is_draining)
            return ()

        return (Step(call, apply),)

    def _note_held(self, node_id: NodeId, atoms: tuple[str, ...], *, is_held: bool) -> None:
        """Note whether the node can be asked for anything."""
        if is_held:
            self._held.add(node_id)
            self._directory.abilities.drop(node_id)
        else:
            self._held.discard(node_id)
            self._directory.abilities.put(node_id, atoms)

    def beats(self, beats: Iterable[NodeBeat], now_ms: float) -> Sequence[Step]:
        """Many heartbeats are one script; the next ones make up for those the store missed."""
        by_cell: dict[Cell, list[NodeHeartbeatEntry]] = {}
        for beat in beats:
            cell = self.cells.cell(beat.node_id)
            if cell is None:
                self._unknown(beat.node_id, beat.epoch)
            else:
                by_cell.setdefault(cell, []).append(self._entry(beat))
        return [self._beat(entries, cell, now_ms) for cell, entries in by_cell.items()]

    def _entry(self, beat: NodeBeat) -> NodeHeartbeatEntry:
        return NodeHeartbeatEntry(
            node_id=beat.node_id,
            epoch=beat.epoch,
            lease_ms=self._lease_ms,
            overloaded=beat.overloaded,
            hold_ms=self._options.overload_hold_ms,
            ms_per_second=beat.ms_per_second,
        )

    def _beat(self, entries: Sequence[NodeHeartbeatEntry], cell: Cell, now_ms: float) -> Step:
        epochs = {entry.node_id: entry.epoch for entry in entries}

        def apply(reply: Beaten) -> Sequence[Step]:
            for node_id in reply.unknown:
                self._unknown(node_id, epochs[node_id])
            return ()

        expiry = Expiry(now_ms + _BEAT_KEPT_MS, lambda: ())
        return Step(self._nodes.heartbeat(entries, cell), apply, expiry)

    def slots_wanted(self, message: SlotsWanted) -> Sequence[Step]:
        """A node has more in hand than it may: the store says what it has still to do.

        What is open here counts, too: a store that has lost its data gets it back in a moment.
        """

        def apply(reply: SlotsHeld | Fenced) -> Sequence[Step]:
            node = self._directory.nodes.get(message.node_id)
            if node is not None:
                jobs = None
                if isinstance(reply, SlotsHeld):
                    jobs = reply.jobs | self._jobs.open_jobs.at_node(message.node_id)
                tell(node, SlotsListed(jobs))
            return ()

        def list_them(cell: Cell) -> Sequence[Step]:
            call = self._nodes.list_slots(message.node_id, message.epoch, cell)
            return (Step(call, apply),)

        return self.cells.find(message.node_id, list_them)

    def lost(self, message: NodeLost) -> Sequence[Step]:
        """A node is gone: it leaves the choice, and its jobs go to others."""
        if message.cell is not None:
            return self._take_offline(message, message.cell)
        return self.cells.find(message.node_id, partial(self._take_offline, message))

    def _take_offline(self, message: NodeLost, cell: Cell) -> Sequence[Step]:
        def apply(reply: NodeRemoved | Fenced) -> Sequence[Step]:
            latest = self.epochs.pop(message.node_id, message.epoch)
            if isinstance(reply, Fenced):
                return self._lost_under_another_epoch(message, latest)
            if reply.jobs:
                logger.warning(
                    "node lost with open jobs", node_id=message.node_id, jobs=len(reply.jobs)
                )
            if not self._is_here(message.node_id):
                self._held.discard(message.node_id)
                self._directory.abilities.drop(message.node_id)
                self._jobs.assigner.node_left(message.node_id)
                self.cells.forget(message.node_id)
            return self._jobs.node_lost(reply.jobs, cell)

        return (Step(self._nodes.offline(message.node_id, message.epoch, cell), apply),)

    def gone(self, node_id: NodeId) -> Sequence[Step]:
        """A node has no actor any more, and its loss has not been reported yet."""
        epoch = self.epochs.get(node_id)
        return () if epoch is None else self.lost(NodeLost(node_id, epoch))

    def _lost_under_another_epoch(self, message: NodeLost, latest: int) -> Sequence[Step]:
        """It came back, or it left before it heard under which epoch it was registered."""
        if latest == message.epoch:
            return ()
        if self._is_here(message.node_id):
            self.epochs[message.node_id] = latest
            return ()
        return self.lost(NodeLost(message.node_id, latest))

    def _is_here(self, node_id: NodeId) -> bool:
        return node_id in self._directory.nodes

    def _unknown(self, node_id: NodeId, epoch: int) -> None:
        node: Mailbox | None = self._directory.nodes.get(node_id)
        if node is not None:
            tell(node, NodeUnknown(epoch))
