"""Who is who: the dispatcher, the actor of each session and node here, and ways to remote ones.

A plain object for the loop's thread. It finds an actor by its id in constant time, which pykka's
registry does not. It starts, stops and watches nobody.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from actors.messages.operator import SessionRow
from actors.messages.room import HeardCorrection, HeardCut, HeardOutcome, HeardPartial, Listener
from actors.ownership import Ownership
from actors.ports import Mailbox
from actors.runtime.actor import tell
from actors.traces import Traces
from actors.usage import Usage
from protocol.ids import NO_INSTANCE, InstanceId, NodeId, SessionId, SessionRef, session_ref
from storage.capability import Abilities

K = TypeVar("K")


class RemoteMailboxes(Protocol):
    """Mailboxes of actors on other instances. A message to them crosses a link, or is lost."""

    def session(self, instance_id: InstanceId, session_id: SessionId) -> Mailbox | None:
        """Return the way to a session's actor; None if there is no way to its instance."""

    def node(self, instance_id: InstanceId, node_id: NodeId) -> Mailbox | None:
        """Return the way to a node's actor; None if there is no way to its instance."""

    def dispatcher(self, instance_id: InstanceId) -> Mailbox | None:
        """Return the way to an instance's dispatcher; None if there is none."""

    def flush(self, asker: Mailbox) -> int:
        """Have each link answer `Flushed` when all it was sent has arrived; return how many."""


class SessionView(Protocol):
    """A session here, as operators see it."""

    @property
    def session_id(self) -> SessionId:
        """Its id: a secret of its client."""

    def row(self) -> SessionRow:
        """Return what may be shown of it, as it is now."""


class NoDispatcher:
    """Stands for the dispatcher until there is one."""

    def tell(self, message: Any) -> None:
        """Refuse.

        Raises:
            LookupError: nobody drives jobs yet, which is a bug of who started the others.
        """
        raise LookupError(f"no dispatcher is registered yet to take a {type(message).__name__}")


class Directory:
    """The actors by their ids. Whoever replaces an actor registers the successor here."""

    def __init__(
        self, instance_id: InstanceId = NO_INSTANCE, remotes: RemoteMailboxes | None = None
    ) -> None:
        self.instance_id = instance_id
        """The instance that this process is."""
        self.remotes = remotes
        """None: no other instance can be reached."""
        self.sessions: dict[SessionId, Mailbox] = {}
        self.nodes: dict[NodeId, Mailbox] = {}
        self.views: dict[SessionRef, SessionView] = {}
        """Of the sessions here, by what operators call them."""
        self.traces: Traces | None = None
        """Where spans go; None: nobody follows traces."""
        self.ownership = Ownership()
        """Who has named what is another's."""
        self.usage = Usage()
        """What tenants have used here."""
        self.abilities = Abilities()
        """What nodes can be asked for now, here and elsewhere."""
        self.dispatcher: Mailbox = NoDispatcher()
        """Who drives jobs; look it up for each message, for it may have a successor."""
        self.on_last_session: Callable[[], object] = lambda: None
        """Called whenever the last session has left: a shutdown waits for it."""
        self.on_last_node: Callable[[], object] = lambda: None
        """The same for nodes."""

    def __repr__(self) -> str:
        return f"<Directory sessions={len(self.sessions)} nodes={len(self.nodes)}>"

    def session_at(self, instance_id: InstanceId, session_id: SessionId) -> Mailbox | None:
        """Return the actor of a session, or the way to it where that instance is another one."""
        if instance_id == self.instance_id:
            return self.sessions.get(session_id)
        return None if self.remotes is None else self.remotes.session(instance_id, session_id)

    def node_at(self, instance_id: InstanceId, node_id: NodeId) -> Mailbox | None:
        """Return the actor of a node, or the way to it where that instance is another one."""
        if instance_id == self.instance_id:
            return self.nodes.get(node_id)
        return None if self.remotes is None else self.remotes.node(instance_id, node_id)

    def dispatcher_at(self, instance_id: InstanceId) -> Mailbox | None:
        """Return the dispatcher, or the way to the one of another instance."""
        if instance_id == self.instance_id:
            return self.dispatcher
        return None if self.remotes is None else self.remotes.dispatcher(instance_id)

    def register_session(self, session_id: SessionId, ref: Mailbox) -> Mailbox | None:
        """Enter a session's actor; return the one it replaces, if any."""
        return _register(self.sessions, session_id, ref)

    def remove_session(self, session_id: SessionId, ref: Mailbox) -> bool:
        """Remove a session's actor, unless another one holds the id by now."""
        removed = _remove(self.sessions, session_id, ref)
        if removed:
            self.views.pop(session_ref(session_id), None)
        if removed and not self.sessions:
            self.on_last_session()
        return removed

    def register_node(self, node_id: NodeId, ref: Mailbox) -> Mailbox | None:
        """Enter a node's actor; return the one it replaces, if any."""
        return _register(self.nodes, node_id, ref)

    def remove_node(self, node_id: NodeId, ref: Mailbox) -> bool:
        """Remove a node's actor, unless another one holds the id by now."""
        removed = _remove(self.nodes, node_id, ref)
        if removed and not self.nodes:
            self.on_last_node()
        return removed


def _register(actors: dict[K, Mailbox], key: K, ref: Mailbox) -> Mailbox | None:
    replaced = actors.get(key)
    actors[key] = ref
    return None if replaced is ref else replaced


def _remove(actors: dict[K, Mailbox], key: K, ref: Mailbox) -> bool:
    if actors.get(key) is not ref:
        return False
    del actors[key]
    return True


def send_to_listeners(
    directory: Directory,
    listeners: Iterable[Listener],
    message: HeardCut | HeardOutcome | HeardCorrection | HeardPartial,
) -> None:
    """Send it to each listener, wherever its session is; who is gone does not hear it."""
    for listener in listeners:
        session = directory.session_at(listener.instance_id, listener.session_id)
        if session is not None:
            tell(session, message)
