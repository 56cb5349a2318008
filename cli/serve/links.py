"""Links: what one instance needs to work together with the others on its store, put together.

The composition of the port for other instances, the links to them and the mailbox for their notes.
It stops before the store does, and after everybody who could still send something.
"""

import asyncio
import os
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from actors.directory import Directory
from actors.instance.links.actor import LinkActor, LinkPatience
from actors.instance.links.arrivals import Arrivals
from actors.instance.links.notes import NotesActor, NoteSource
from actors.instance.links.remote_mailboxes import LinkedMailboxes
from actors.lease import Lease
from actors.messages.process import PeerSuspected
from actors.metrics import Gauge, Metrics
from actors.operations import Operations
from actors.ports import Mailbox
from actors.runtime.actor import ActorRef, Supervise
from cli.settings.error import cannot_listen
from gateway.link.codec import pack
from gateway.link.dialler import PeerDialler
from gateway.link.options import PeerOptions
from gateway.link.server import PeerInside, PeerServer
from gateway.passthrough.registry import PeerIdentity
from protocol.ids import InstanceId
from protocol.instances.link import Address, Hello, LinkMessage
from storage.instances import InstanceRepository
from storage.note_stream import NoteStream


@dataclass(frozen=True, slots=True)
class LinkParts:
    """What the links of an instance are made from."""

    directory: Directory
    lease: Lease
    metrics: Metrics
    instances: InstanceRepository
    note_streams: Callable[[], Sequence[NoteStream]]
    """Makes one for each cell of the store; they know which those are once it has answered."""
    supervisor: Supervise
    lease_ms: int
    wall_ms: Callable[[], int]
    version: str


class _Edge:
    """Implements `PeerEdge`."""

    def __init__(self, dialler: PeerDialler) -> None:
        self._dialler = dialler

    def dial(self, hello: Hello, link: Mailbox) -> None:
        self._dialler.dial(hello, link)

    def pack(self, address: Address, message: object) -> LinkMessage:
        return pack(address, message)


class _FlushAsker:
    """Counts the links that have answered."""

    def __init__(self) -> None:
        self.awaited = 0
        self.is_done = asyncio.Event()

    def tell(self, _message: Any) -> None:
        """Take an answer."""
        self.awaited -= 1
        if self.awaited == 0:
            self.is_done.set()


class Links:
    """Life: made, `start`ed before the first beat, `stop`ped before the store."""

    def __init__(self, options: PeerOptions, parts: LinkParts) -> None:
        self._options = options
        self._parts = parts
        loop = asyncio.get_running_loop()
        lease, directory = parts.lease, parts.directory

        def secret() -> str:
            return options.cluster_secret or lease.secret

        self.identity = PeerIdentity(directory.instance_id, secret)
        self._dialler = PeerDialler(parts.instances, secret)
        self.remotes = LinkedMailboxes(directory, _Edge(self._dialler), parts.metrics)
        self.operations = Operations(directory, self.remotes.operations)
        arrivals = Arrivals(
            *(directory, lease, parts.metrics, lambda: loop.time() * 1000), self.operations
        )
        inside = PeerInside(
            directory.instance_id, arrivals, directory.session_at, parts.metrics, secret
        )
        self.server = PeerServer(options, inside)
        directory.remotes = self.remotes
        self._links: list[ActorRef[LinkActor]] = []
        self._notes: Sequence[NoteStream] = ()
        self._note_streams: list[ActorRef[NotesActor]] = []
        parts.metrics.watch(Gauge.LINKS, lambda: self.remotes.links)

    async def start(self) -> None:
        """Listen, and have every beat say where.

        Raises:
            SettingsError: the address is in use or not ours.
        """
        try:
            await self.server.start()
        except OSError as error:
            host, port = self._options.peer_host, self._options.peer_port
            raise cannot_listen(host, port, error, "for other instances ") from error
        self._parts.instances.about = {
            "peer_url": self.server.url,
            "version": self._parts.version,
            "hostname": platform.node(),
            "pid": str(os.getpid()),
            "started_at": str(self._parts.wall_ms()),
        }

    def open(self, on_suspicion: Callable[[PeerSuspected], object]) -> None:
        """Begin to read notes and to send: the dispatcher is there."""
        self.remotes.on_suspicion = on_suspicion
        self.remotes.start_link = self._start_link
        self._notes = self._parts.note_streams()
        for notes in self._notes:
            self.start_notes(notes)

    def start_notes(self, notes: NoteSource) -> ActorRef[NotesActor]:
        """Start to read notes, or again after a failure."""
        ref = NotesActor.start(notes, self._parts.directory, supervisor=self._parts.supervisor)
        self._note_streams = [*(one for one in self._note_streams if one.is_alive()), ref]
        return ref

    async def flush(self, within_seconds: float) -> None:
        """Wait until others have what they were sent, not for ever."""
        asker = _FlushAsker()
        asker.awaited = self.remotes.flush(asker)
        if asker.awaited:
            with suppress(TimeoutError):
                await asyncio.wait_for(asker.is_done.wait(), within_seconds)

    async def stop(self) -> None:
        """Let go of the others: nobody in, nobody out, no more notes."""
        self.remotes.start_link = None
        await self.server.close()
        for notes in self._notes:
            await notes.close()
        for mailbox in self._note_streams:
            if mailbox.is_alive():
                await mailbox.stop(block=False)
        for link in self._links:
            if link.is_alive():
                await link.stop(block=False)
        await self._dialler.close()

    def _start_link(self, peer: InstanceId) -> Mailbox:
        self._links = [link for link in self._links if link.is_alive()]
        patience = LinkPatience(self._parts.lease_ms)
        link = LinkActor.start(peer, self.remotes, patience, supervisor=self._parts.supervisor)
        self._links.append(link)
        return link
