"""Registration: what the dispatcher knows of a node, and what it has still to get.

One registration and one change of languages are under way at a time; of those that come meanwhile
the last one counts. So a node cannot owe the dispatcher more than that, whatever it sends.
"""

from collections.abc import Callable
from dataclasses import replace

from actors.directory import Directory
from actors.messages.node import Languages, NodeArrived, NodeChanged
from actors.node.load import languages
from actors.ports import Mailbox
from protocol.audio.framing import AudioFormat
from protocol.ids import NodeId
from protocol.messages.node_inbound import LanguageCapabilities, NodeRegister
from protocol.messages.node_outbound import NodeRegisterAck
from protocol.wire import WireMessage


class Registration:
    """Life: that of its node's actor."""

    def __init__(self, node_id: NodeId, directory: Directory) -> None:
        self.register: NodeRegister | None = None
        """As the node sent it last."""
        self.languages = Languages()
        """As the node says."""
        self._registered = Languages()
        """As it registered: a heartbeat says nothing of voices and formats of audio."""
        self.connections = 0
        """On how many sockets it has registered."""
        self.acks_owed = 0
        """Registrations that the node has no answer to."""
        self.credential = ""
        """Which it showed when it connected."""
        self.is_held = False
        """An operator has drained the node."""
        self.node_id = self._node_id = node_id
        self._directory = directory
        self._told_languages = self.languages
        """As the dispatcher knows them."""
        self._is_arriving = False
        self._next_known_epoch: int | None = None
        """Of the registration that is sent when the one under way is answered."""
        self._is_changing = False

    @property
    def joins_turns(self) -> bool:
        """Whether the node puts the segments of a turn together."""
        return self.register is not None and self.register.joins_turns is True

    def registered(
        self, register: NodeRegister, credential: str, *, is_another_socket: bool
    ) -> None:
        """The node itself has registered."""
        self.register, self.credential = register, credential
        self._registered = self.languages = replace(
            languages(register.language_capabilities),
            voices=tuple((register.tts_voices or {}).items()),
            formats=tuple(dict.fromkeys(register.audio_formats or AudioFormat)),
            streaming=register.streaming is True,
        )
        self.connections += is_another_socket
        self.acks_owed += 1

    def heard(self, capabilities: LanguageCapabilities | None) -> None:
        """A heartbeat reported this of the node's languages; None: nothing."""
        if capabilities is not None:
            known = self._registered
            self.languages = replace(
                languages(capabilities),
                voices=known.voices,
                formats=known.formats,
                streaming=known.streaming,
            )

    def arrive(self, node: Mailbox, max_jobs: int, known_epoch: int) -> None:
        """Tell the dispatcher of the node, as it is now."""
        self._told_languages = self.languages
        if self.register is None:
            return
        if self._is_arriving:
            next_epoch = self._next_known_epoch
            self._next_known_epoch = (
                known_epoch if next_epoch is None else min(known_epoch, next_epoch)
            )
            return
        self._is_arriving, self._is_changing = True, False
        version, platform = self.register.version[:64], self.register.platform[:64]
        self._directory.dispatcher.tell(
            NodeArrived(
                node=node,
                node_id=self._node_id,
                languages=self.languages,
                max_jobs=max_jobs,
                info={"version": version, "platform": platform},
                joins_turns=self.joins_turns,
                credential=self.credential,
                connection=self.connections,
                known_epoch=known_epoch,
                is_held=self.is_held,
            )
        )

    def answered(self) -> int | None:
        """The dispatcher has answered; return the known epoch of what is to be sent next."""
        self._is_arriving = False
        next_epoch, self._next_known_epoch = self._next_known_epoch, None
        return next_epoch

    def answer(self, send: Callable[[WireMessage], bool], ack: NodeRegisterAck) -> None:
        """Answer every registration of the node that has no answer."""
        owed, self.acks_owed = self.acks_owed, 0
        for _ in range(owed):
            send(ack)

    def refused(self, send: Callable[[WireMessage], bool], refusal: NodeRegisterAck) -> None:
        """The dispatcher cannot take it on; what tries again is answered, too."""
        if self.acks_owed:
            self.answer(send, refusal)
            self.acks_owed = 1

    def change(self, epoch: int) -> None:
        """Tell the dispatcher of other languages than it knows, if there are."""
        if self.languages != self._told_languages and not self._is_changing:
            self._is_changing = True
            self._told_languages = self.languages
            changed = NodeChanged(self._node_id, epoch, self.languages, self.joins_turns)
            self._directory.dispatcher.tell(changed)

    def changed(self) -> None:
        """The dispatcher has the languages that it got last, or is another one."""
        self._is_changing = False

    def restart(self) -> None:
        """There is another dispatcher: what was under way may never be answered."""
        self._is_arriving = self._is_changing = False
