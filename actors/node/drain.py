"""NodeDrain: how a node is drained from an instance that goes away.

It gets nothing new, finishes what it has, and its answers reach sessions on other instances before
it goes: an existing node program comes back once in its life, so it is let go only when it is done
here, and at once then.
"""

from collections.abc import Callable

from actors.directory import Directory
from actors.messages.node import NodeDraining
from actors.ports import Mailbox
from protocol.ids import NodeId


class NodeDrain:
    """The steps of one node: begun, nothing open, nothing on its way, gone."""

    def __init__(self, node_id: NodeId, directory: Directory, release: Callable[[], None]) -> None:
        self._node_id = node_id
        self._directory = directory
        self._release = release
        self.is_begun = False
        self._flushing = 0
        """Links that have not reported yet that all answers arrived."""

    def begin(self, epoch: int) -> None:
        """Have the store give the node nothing new; epoch 0: when it is registered."""
        self.is_begun = True
        self.registered(epoch)

    def registered(self, epoch: int) -> None:
        """The store knows the node under this epoch, maybe anew."""
        if self.is_begun and epoch:
            self._directory.dispatcher.tell(NodeDraining(self._node_id, epoch))

    def ended(self, epoch: int, open_jobs: int) -> None:
        """A job ended: when it was the last, its answer goes through the dispatcher first."""
        if not open_jobs:
            self.registered(epoch)

    def drained(self, node: Mailbox, open_jobs: int) -> None:
        """The store gives it nothing, and the dispatcher has sent on all answers up to here."""
        if self.is_begun and not open_jobs and not self._flushing:
            remotes = self._directory.remotes
            self._flushing = 0 if remotes is None else remotes.flush(node)
            self._go_if_done(open_jobs)

    def flushed(self, open_jobs: int) -> None:
        """One link has carried over all that was sent before."""
        self._flushing -= 1
        self._go_if_done(open_jobs)

    def _go_if_done(self, open_jobs: int) -> None:
        if not self._flushing and not open_jobs:
            self.is_begun = False
            self._release()
