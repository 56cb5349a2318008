"""Scheduler: all parts of one process, put together.

The composition root of the server: what depends on what stands here and nowhere else. Parts stop
in the reverse order of their start.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from loguru import logger

from actors.directory import Directory
from actors.dispatcher.actor import DispatcherActor
from actors.dispatcher.open_jobs import OpenJobs
from actors.dispatcher.parts import Parts, PartsOptions
from actors.dispatcher.succession import adopt
from actors.held_audio import HeldAudio
from actors.instance.actor import InstanceActor
from actors.instance.links.actor import LinkActor
from actors.instance.links.notes import NotesActor
from actors.lease import Lease, StallWatch
from actors.messages.node import DrainNode
from actors.messages.process import DispatcherRestarted, PeerSuspected
from actors.messages.session import CloseRequested
from actors.messages.takeover import DrainRequested, OwnershipUnclear
from actors.node.actor import NodeActor
from actors.node.succession import for_successor, settle
from actors.overload import Overload
from actors.ports import Mailbox
from actors.reception import Reception
from actors.room.actor import RoomActor
from actors.room.transcoder import TranscoderActor
from actors.runtime.actor import ActorFailed, ActorRef, LoopActor, tell
from actors.runtime.dead_letter import DeadLetters
from actors.runtime.supervisor import Policy, Rule, Supervisor
from actors.session.actor import SessionActor
from actors.session.presence.presence import Presence
from actors.session.setup import SessionSetup
from actors.waiting_jobs import WaitingJobs
from cli.serve.clocks import monotonic_ms, wall_ms
from cli.serve.figures import follow_traces, watch_figures
from cli.serve.links import LinkParts, Links
from cli.serve.live_access import LiveAccess
from cli.serve.membership import Membership
from cli.serve.repositories import Repositories, note_streams
from cli.serve.rooms import Rooms
from cli.serve.session_setup import downlink_options, media_pool, session_uplink, uplink_options
from cli.settings.arguments import project_version
from cli.settings.settings import Settings
from gateway.ability_watch import AbilityWatch
from gateway.admin.operators import StoreOperators
from gateway.edge.loop_lag import LoopLag
from gateway.http.answers import MetricsText
from gateway.http.metrics import PrometheusMetrics
from gateway.http.nodes_seen import NodesSeen
from gateway.http.reports import ReportSources, StoreReports
from gateway.listening import Bind
from gateway.server import Gateway, Inside
from protocol.ids import InstanceId
from protocol.instances.passthrough import Leaving
from storage.cells import Cell
from storage.layout import settle_cells
from storage.store import Store, open_store

_DRAIN_SLACK_SECONDS = 0.5
_RECONNECT_AFTER_MS = 1000
_SHUTDOWN = "shutdown"
_NODE_RESTARTS = 5
"""Successors that a node's actor gets at once in a minute; then the node's next words make one."""


@dataclass(frozen=True, slots=True)
class NodePlacement:
    """Where an instance stands among those of its own machine."""

    port: int
    metrics_text: MetricsText
    shares_port: bool = False
    """Other processes of ours listen there, too."""


async def _ask_all(
    refs: Mapping[Any, Mailbox], ask: Any, all_left: asyncio.Event, within_ms: float
) -> None:
    if not refs:
        return
    for ref in list(refs.values()):
        tell(ref, ask)
    with suppress(TimeoutError):
        seconds = max(0.0, within_ms / 1000) + _DRAIN_SLACK_SECONDS
        await asyncio.wait_for(all_left.wait(), seconds)


class Scheduler:
    """One instance: made, started, drained, stopped."""

    def __init__(
        self,
        settings: Settings,
        instance_id: InstanceId,
        store_url: str,
        on_escalate: Callable[[ActorFailed], object],
        placement: NodePlacement | None = None,
    ) -> None:
        self._settings = settings
        self.access = LiveAccess(settings)
        self._loop_lag = LoopLag(asyncio.get_running_loop())
        gateway, admission, dispatch = settings.gateway, settings.admission, settings.dispatch
        self._metrics = PrometheusMetrics(
            self._loop_lag, gateway.metrics_pairs, gateway.metrics_nodes
        )
        self._store: Store = open_store(
            store_url,
            on_script=self._metrics.script_run,
            on_round_trip=self._metrics.round_trip,
        )
        self._repositories = Repositories.of(settings, self._store, instance_id)
        self._directory = Directory(instance_id)
        self._held = HeldAudio(
            admission.max_held_audio_bytes,
            admission.max_open_utterances,
            admission.max_held_audio_per_session,
        )
        self._waiting = WaitingJobs(dispatch.max_queued_jobs, dispatch.max_queued_per_session)
        self._presence = Presence(admission.most_detached, self._metrics.limit_reached)
        self._stall_watch = StallWatch(settings.instance.instance_lease_ms, self._on_stall)
        self._loop_lag.on_sample = self._stall_watch.tick
        self._lease = Lease()
        lease_ms, instances = settings.instance.instance_lease_ms, self._repositories.instances
        usage = self._directory.usage
        self._membership = Membership(self._store, instances, self._lease, lease_ms, usage)
        rooms = self._repositories.rooms
        self._rooms = Rooms(settings, self._directory, self._store, rooms, wall_ms)
        self._media = media_pool(settings)
        self._supervisor = Supervisor(self._rules(), on_escalate, monotonic_ms)
        overload = Overload(settings.admission)
        self.reception = Reception(
            self._session_setup(), settings.node, settings.admission, self._supervisor, overload
        )
        self._ability_watch = AbilityWatch(self._repositories.nodes, self._directory.abilities)
        self._links = self._make_links(store_url)
        self.gateway = self._make_gateway(
            placement or NodePlacement(gateway.port, self.renewed_metrics_text), overload
        )
        self._open_jobs = OpenJobs()
        self._instance: ActorRef[InstanceActor] | None = None
        self._actors: list[ActorRef[Any]] = []
        self._handed_over: Sequence[Any] = ()
        """What the latest successor of a dispatcher is sent first."""
        self._is_crippled = False
        """The dispatcher is dead and has no successor: no outcome comes any more."""
        self._traces = follow_traces(settings.traces, self._directory, self._metrics)
        watch_figures(
            self._metrics, self._directory, self._held, self._repositories, lambda: self._open_jobs
        )

    def metrics_text(self) -> bytes:
        """Return the figures; those from the store as they were last."""
        return self._metrics.text()

    async def renewed_metrics_text(self) -> bytes:
        """Return the figures as `/metrics` shows them."""
        await self._metrics.node_states.renew()
        return self._metrics.text()

    async def start(self) -> None:
        """Take the lease, start the actors that there is one of, open the door."""
        self._loop_lag.start()
        self.access.start()
        await settle_cells(self._store, self._settings.store.cells)
        await self._links.start()
        await self._membership.join()
        self._directory.dispatcher = self._start_dispatcher(self._make_parts())
        self._start_instance()
        self._ability_watch.start()
        self._rooms.start(self._supervisor)
        self._links.open(self._suspect)
        await self.gateway.start()
        self._links.server.accept_passed_clients(self.gateway.passthrough_server)
        self._loop_lag.watch = self.gateway.note_lag

    async def drain(self) -> None:
        """Take nobody new and let what is open finish, for `drain_seconds` at most."""
        self.reception.draining = True
        drain_ms = 0.0 if self._is_crippled else self._settings.gateway.drain_seconds * 1000
        ends_at_ms = monotonic_ms() + drain_ms
        has_others = await self._membership.has_others()
        await asyncio.gather(
            self._let_sessions_go(drain_ms, has_others=has_others),
            self._close_passthroughs(drain_ms),
        )
        if has_others and not self._is_crippled:
            await self._let_nodes_go(ends_at_ms - monotonic_ms())
            await self._links.flush(_DRAIN_SLACK_SECONDS)

    async def _close_passthroughs(self, within_ms: float) -> None:
        """Clients whose sessions are elsewhere hear the outcomes of their speech, and go."""
        if self.gateway.passthroughs is not None:
            leaving = Leaving(_RECONNECT_AFTER_MS, _SHUTDOWN)
            await self.gateway.passthroughs.leave(leaving, within_ms / 1000 + _DRAIN_SLACK_SECONDS)

    async def _let_sessions_go(self, within_ms: float, *, has_others: bool) -> None:
        ask: CloseRequested | DrainRequested = CloseRequested(
            _SHUTDOWN,
            acknowledge=False,
            within_ms=within_ms,
            reconnect_after_ms=_RECONNECT_AFTER_MS,
        )
        if has_others:
            ask = DrainRequested(_SHUTDOWN, _RECONNECT_AFTER_MS, within_ms)
        all_left = asyncio.Event()
        self._directory.on_last_session = all_left.set
        await _ask_all(self._directory.sessions, ask, all_left, within_ms)

    async def _let_nodes_go(self, within_ms: float) -> None:
        """Nodes finish what they have for sessions elsewhere; each goes when it has nothing."""
        all_left = asyncio.Event()
        self._directory.on_last_node = all_left.set
        await _ask_all(self._directory.nodes, DrainNode(), all_left, within_ms)

    async def stop(self) -> None:
        """Close the door, stop the actors, let go of the store."""
        await self.gateway.close()
        await self._rooms.stop()
        if self._media is not None:
            await self._media.close()
        await self._links.stop()
        for ref in reversed(self._actors):
            await ref.stop(block=False)
        await self._membership.retire()
        await self._store.close()
        self._ability_watch.close()
        self._nodes_seen.close()
        self._loop_lag.stop()
        self.access.close()
        if self._traces is not None:
            await asyncio.to_thread(self._traces.close)

    # ---- the actors that there is one of ----------------------------------------------------

    def _make_parts(self) -> Parts:
        """Make a dispatcher's parts; the gauges read them from now on."""
        settings = self._settings
        options = PartsOptions(settings.dispatch, settings.node, uplink_options(settings))
        admit = self.reception.admit_moved
        parts = Parts(self._repositories, self._directory, self._metrics, options, admit)
        self._open_jobs = parts.ends.open_jobs
        return parts

    def _start_dispatcher(self, parts: Parts) -> ActorRef[DispatcherActor]:
        ref = DispatcherActor.start(self._store, parts, supervisor=self._supervisor)
        self._actors.append(ref)
        return ref

    def _start_instance(
        self, data_ids: Mapping[Cell, str] | None = None
    ) -> ActorRef[InstanceActor]:
        ref = InstanceActor.start(
            self._store,
            self._repositories.instances,
            self._directory,
            self._settings.instance,
            self._lease,
            data_ids=data_ids,
            supervisor=self._supervisor,
        )
        self._actors.append(ref)
        self._instance = ref
        return ref

    def _suspect(self, suspicion: PeerSuspected) -> None:
        if self._instance is not None:
            tell(self._instance, suspicion)

    def _rules(self) -> dict[type[LoopActor], Rule]:
        """Say what happens when an actor fails; its own `on_failure` has cleaned up by then.

        What a session or a node makes fail concerns that one alone, so it never ends the process.
        """
        return {
            SessionActor: Rule(Policy.STOP, max_failures=None),
            NodeActor: Rule(
                Policy.RESTART,
                clean_up=lambda failure: settle(failure, self._directory),
                restart=self._restart_node,
                hand_over=for_successor,
                max_failures=None,
                max_restarts=_NODE_RESTARTS,
            ),
            DispatcherActor: Rule(
                Policy.RESTART,
                clean_up=self._without_dispatcher,
                restart=self._restart_dispatcher,
                hand_over=lambda _failure: self._handed_over,
            ),
            RoomActor: Rule(Policy.RESTART, restart=self._rooms.restart_room, max_failures=None),
            TranscoderActor: Rule(Policy.RESTART, restart=self._rooms.restart_transcoder),
            LinkActor: Rule(Policy.STOP, max_failures=None),
            NotesActor: Rule(Policy.RESTART, restart=self._restart_notes),
            InstanceActor: Rule(Policy.RESTART, restart=self._restart_instance),
        }

    def _without_dispatcher(self, _failure: ActorFailed) -> None:
        """Until there is a successor, and for good if there is none, nobody may tell a dead one."""
        self._is_crippled = True
        self._directory.dispatcher = DeadLetters("dispatcher")

    def _restart_dispatcher(self, failure: ActorFailed) -> ActorRef[DispatcherActor]:
        """Start a successor, which takes over; who has something open tells it again."""
        parts = self._make_parts()
        self._handed_over = adopt(failure.handover, failure.pending, parts)
        self._actors = [ref for ref in self._actors if ref is not failure.ref]
        ref = self._start_dispatcher(parts)
        self._directory.dispatcher = ref
        self._is_crippled = False
        for member in (*self._directory.nodes.values(), *self._directory.sessions.values()):
            tell(member, DispatcherRestarted())
        return ref

    def _restart_node(self, failure: ActorFailed) -> Mailbox | None:
        return self.reception.succeed_node(failure)

    def _restart_notes(self, failure: ActorFailed) -> ActorRef[NotesActor]:
        return self._links.start_notes(failure.handover)

    def _restart_instance(self, failure: ActorFailed) -> ActorRef[InstanceActor]:
        self._actors = [ref for ref in self._actors if ref is not failure.ref]
        return self._start_instance(failure.handover)

    # ---- what the packages are given --------------------------------------------------------

    def _make_gateway(self, placement: NodePlacement, overload: Overload) -> Gateway:
        settings, repositories = self._settings, self._repositories
        operations = self._links.operations
        operations.nodes_seen = self._metrics.nodes_seen
        self._nodes_seen = NodesSeen(operations, repositories.instances.others)
        sources = ReportSources(
            *(self._directory.instance_id, self._store, repositories.jobs, repositories.nodes),
            *(repositories.instances, self._directory, self._presence, self.reception),
            *(self._nodes_seen, self._metrics.figures),
        )
        reports = StoreReports(sources)
        inside = Inside(
            self.reception,
            reports,
            self._metrics,
            placement.metrics_text,
            settings.admission,
            overload,
            settings.room,
            self._links.identity,
            StoreOperators(sources, reports, operations, repositories.sessions),
            self.access.access,
        )
        door = replace(settings.gateway, port=placement.port)
        return Gateway(door, inside, Bind(self.access.tls, reuse_port=placement.shares_port))

    def _make_links(self, store_url: str) -> Links:
        parts = LinkParts(
            directory=self._directory,
            lease=self._lease,
            metrics=self._metrics,
            instances=self._repositories.instances,
            note_streams=lambda: note_streams(self._store, store_url, self._directory.instance_id),
            supervisor=self._supervisor,
            lease_ms=self._settings.instance.instance_lease_ms,
            wall_ms=wall_ms,
            version=project_version(),
        )
        return Links(self._settings.peer, parts)

    def _session_setup(self) -> SessionSetup:
        settings = self._settings
        return SessionSetup(
            directory=self._directory,
            presence=self._presence,
            held=self._held,
            waiting=self._waiting,
            metrics=self._metrics,
            uplink=session_uplink(settings),
            downlink=downlink_options(settings),
            grace_ms=settings.session.session_grace_seconds * 1000,
            gateway_grace_ms=settings.session.gateway_grace_seconds * 1000,
            close_flush_ms=settings.session.close_flush_ms,
            keep_audio_after_sending=settings.session.audio_hold == "result",
            wall_ms=wall_ms,
            converters=self._media,
            rooms=self._rooms.setup,
            streaming=settings.streaming,
            stall_watch=self._stall_watch,
            tenants_need_proof=settings.access.proves_tenants,
        )

    def _on_stall(self, stalls: int) -> None:
        """The process stood still for longer than its lease: others may have taken over."""
        logger.warning("this process stood still; the store is asked what is still its own")
        tell(self._directory.dispatcher, OwnershipUnclear(stalls))
