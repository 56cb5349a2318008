"""NodeDrain: how a node is drained, by an operator or by an instance that goes away.

- By an operator: it gets nothing new, finishes what it has and stays connected. The store keeps
  that for the node, so it holds until it is taken back, on whichever instance the node is then.
- By its instance: the same, and its answers reach sessions on other instances before it goes: an
  existing node program comes back once in its life, so it is let go only when it is done here, and
  at once then.
"""

from collections.abc import Callable

from actors.directory import Directory
from actors.messages.node import DrainNode, NodeDraining, NodeHeld, UndrainNode
from actors.node.registration import Registration
from actors.ports import Mailbox
from protocol.messages.node_outbound import NodeControl
from protocol.wire import WireMessage

_OPERATOR = "operator"


class NodeDrain:
    """The steps of one node: begun, nothing open, nothing on its way, gone."""

    def __init__(
        self,
        registration: Registration,
        directory: Directory,
        release: Callable[[], None],
        send: Callable[[WireMessage], bool],
    ) -> None:
        self._registration = registration
        self._directory = directory
        self._release = release
        self._send = send
        self.is_begun = False
        """The instance lets the node go."""
        self._flushing = 0
        """Links that have not reported yet that all answers arrived."""
        self._is_owed = False
        """What an operator wants is not on its way to the store yet."""
        self._told_on = 0
        """The node's connection on which it heard last that it is drained."""

    def request(self, message: DrainNode | UndrainNode, epoch: int) -> None:
        """Begin, or take back what an operator began; epoch 0: when the node is registered."""
        if isinstance(message, DrainNode) and not message.by_operator:
            self.begin(epoch)
        else:
            self._hold(epoch, is_held=isinstance(message, DrainNode))

    def begin(self, epoch: int) -> None:
        """Have the store give the node nothing new; epoch 0: when it is registered."""
        self.is_begun = True
        self._tell(epoch)

    def _hold(self, epoch: int, *, is_held: bool) -> None:
        """Do what an operator wants: in the store, and at the node."""
        self._registration.is_held = is_held
        self._is_owed = not epoch
        if epoch:
            self._tell_held(epoch)
        self._control()

    def _tell_held(self, epoch: int) -> None:
        known = self._registration
        held = NodeHeld(
            known.node_id,
            epoch,
            known.is_held,
            self.is_begun,
            known.languages,
            known.joins_turns,
        )
        self._directory.dispatcher.tell(held)

    def _control(self) -> None:
        registration = self._registration
        self._told_on = registration.connections
        command = "drain" if registration.is_held else "undrain"
        self._send(NodeControl(command=command, reason=_OPERATOR))

    def registered(self, epoch: int, *, is_held: bool = False) -> None:
        """The store knows the node under this epoch, maybe anew, and whether it is held.

        The node hears so on each of its connections.
        """
        registration = self._registration
        if self._is_owed:
            self._is_owed = False
            self._tell_held(epoch)
        elif is_held:
            registration.is_held = True
        if registration.is_held and self._told_on != registration.connections:
            self._control()
        self._tell(epoch)

    def _tell(self, epoch: int) -> None:
        if self.is_begun and epoch:
            self._directory.dispatcher.tell(NodeDraining(self._registration.node_id, epoch))

    def ended(self, epoch: int, open_jobs: int) -> None:
        """A job ended: when it was the last, its answer goes through the dispatcher first."""
        if not open_jobs:
            self._tell(epoch)

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
