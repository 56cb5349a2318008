"""What a node's actor and the dispatcher tell each other of nodes."""

from actors.ports import Mailbox, Outbox
from protocol.audio.framing import AudioFormat
from protocol.ids import NO_INSTANCE, InstanceId, JobId, NodeId
from protocol.messages.node_inbound import NodeHeartbeat, NodeRegister
from protocol.value import value
from protocol.wire import WireMessage
from storage.cells import Cell


@value
class Languages:
    """What a node serves, each list as it named them, without repetition."""

    asr: tuple[str, ...] = ()
    """Recognises these."""
    semantic: tuple[str, ...] = ()
    """Translates into these."""
    tts: tuple[str, ...] = ()
    """Speaks these."""
    voices: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """By language, the voices that may be asked for."""
    formats: tuple[AudioFormat, ...] = tuple(AudioFormat)
    """Formats of audio that it reads."""
    streaming: bool = False
    """It takes jobs while they are being spoken."""

    def __str__(self) -> str:
        """Return them in short, as a log line shows them."""
        pairs = f"{_listed(self.asr)} > {_listed(self.semantic)}"
        return f"{pairs}, speaks {_listed(self.tts)}, reads {_listed(self.formats)}" + (
            ", streaming" if self.streaming else ""
        )


def _listed(names: tuple[str, ...]) -> str:
    """Return the first ones: a node may name hundreds."""
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""  # noqa: PLR2004
    return (" ".join(names[:8]) + more) or "nothing"


@value
class NodeAccepted:
    """The store registered the node under this epoch."""

    epoch: int
    is_held: bool = False
    """An operator has drained it: it gets nothing."""


@value
class NodeUnknown:
    """The store does not know the node any more (lost data, lapsed lease): register again."""

    epoch: int


@value
class NodeArrived:
    """A node wants to register, or to register anew with what changed; one at a time for a node.

    Answered by `NodeAccepted`, `NodeRefused` or `NodeSuperseded`.
    """

    node: Mailbox
    node_id: NodeId
    languages: Languages
    max_jobs: int
    info: dict[str, str]
    connection: int = 1
    """How many sockets it has spoken on since it was last lost."""
    known_epoch: int = 0  # see `NodeRegistration`
    credential: str = ""
    is_held: bool = False
    """An operator has drained it, and the store may have lost that."""
    joins_turns: bool = False
    """It puts the segments of a turn together."""


@value
class NodeChanged:
    """A heartbeat carried other languages than before. One at a time; see `NodeUpdated`."""

    node_id: NodeId
    epoch: int
    languages: Languages
    joins_turns: bool = False  # as it registered


@value
class NodeUpdated:
    """To a node's actor: what `NodeChanged` carried under this epoch is in the store."""

    epoch: int


@value
class NodeBeat:
    """A node is alive; its load decides whether others are preferred."""

    node_id: NodeId
    epoch: int
    overloaded: bool
    ms_per_second: int = 0
    """Its median time for a second of speech; 0: nothing new is known."""


@value
class NodeLost:
    """The node's socket closed, or it was silent for too long."""

    node_id: NodeId
    epoch: int
    cell: Cell | None = None
    """The part of the store that it is registered in, where the sender knows it."""


@value
class NodeRegistering:
    """`node_register` on this socket."""

    message: NodeRegister
    outbox: Outbox
    credential: str = ""
    """The name that its token belongs to; empty: it showed none."""


@value
class NodeHeartbeatArrived:
    """`node_heartbeat`."""

    message: NodeHeartbeat


@value
class NodeMessageArrived:
    """Any other message of the node: results, partial texts, acknowledgements, errors."""

    message: WireMessage


@value
class NodeSocketLost:
    """The node's socket is gone."""

    outbox: Outbox


@value
class NodeSuperseded:
    """The node is connected to another instance; the socket here is an old one, or a second one."""

    owner: InstanceId = NO_INSTANCE
    """That instance."""


@value
class ProbeNode:
    """To a node's actor elsewhere: is its socket alive? Another one claims its id."""

    asker: InstanceId


@value
class NodeIsAlive:
    """To a node's actor elsewhere: the socket that it asked for has given a sign of life."""


@value
class SlotsWanted:
    """The node has more in hand than it may: which of it holds a slot?"""

    node_id: NodeId
    epoch: int


@value
class SlotsListed:
    """The jobs that hold the node's slots in the store."""

    jobs: frozenset[JobId] | None
    """None: the node is registered under another epoch by now."""


@value
class DrainNode:
    """To a node's actor: take nothing new, and let the node go when it has nothing open."""

    by_operator: bool = False
    """It stays connected, and gets nothing new until `UndrainNode`, also after it came back."""


@value
class UndrainNode:
    """To a node's actor: an operator's `DrainNode` is taken back."""


@value
class NodeHeld:
    """To the dispatcher: an operator has drained the node, or taken that back."""

    node_id: NodeId
    epoch: int
    is_held: bool
    is_leaving: bool
    """It gets nothing in either case: its instance lets it go."""
    languages: Languages
    joins_turns: bool = False


@value
class NodeDraining:
    """To the dispatcher: the node is to get no new jobs; answered by `NodeDrained`."""

    node_id: NodeId
    epoch: int


@value
class NodeDrained:
    """To the node's actor: the store gives it nothing any more, under this epoch."""

    epoch: int


@value
class NodeRefused:
    """To a node's actor: the dispatcher does not take the node on."""

    is_taken: bool = False
    """A node of another credential has its id. Else: the dispatcher fails of the registration."""
