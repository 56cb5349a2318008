"""A node: it offers its engines to a scheduler and works on the jobs it is given.

Owns the connection: registration, heartbeats, coming back after every loss, leaving in order. What
is done in a job is `pipeline`'s, which jobs are in hand `jobs`'s. A node of one's own is
`ReferenceNode(options, engines)` with engines of one's own, see `engines/engine.py`.
"""

import asyncio
import contextlib
from dataclasses import replace
from typing import assert_never

from loguru import logger
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from peers.connection import CONNECT_ERRORS, open_connection, reason
from peers.engines import opus
from peers.engines.engine import Engines
from peers.node.jobs import NodeJobs
from peers.node.options import ReferenceNodeOptions
from peers.node.pipeline import JobPipeline
from peers.node.profile import NodeProfile
from peers.outgoing import Outgoing
from peers.socket_url import NODE_PATH, shown_url, socket_url
from protocol.audio.framing import AudioFormat
from protocol.codec import encode, parse_node_command
from protocol.errors import ErrorCode, ProtocolError
from protocol.ids import NodeId
from protocol.messages.node_inbound import JobResult, NodeHeartbeat
from protocol.messages.node_outbound import (
    JobAssign,
    JobCancel,
    JobEnd,
    NodeControl,
    NodeOutbound,
    NodeRegisterAck,
)
from protocol.messages.session_outbound import ErrorMessage
from protocol.stream_frames import parse_stream_frame
from protocol.wire import WireMessage


class RegistrationRefusedError(Exception):
    """The scheduler does not want this node, or not under this id."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class ReferenceNode:
    """One node, for as long as `run` is awaited.

    Invariants: nothing but `node_register` is sent on a socket before the scheduler has answered
    it; every job taken is answered once, on whatever socket there is by then, unless it was
    cancelled or the node leaves; a lost scheduler ends no job but those that were still being
    spoken: the rest of their audio cannot come.
    """

    def __init__(self, options: ReferenceNodeOptions, engines: Engines) -> None:
        """Make a node.

        Raises:
            UrlError: the options' URL is none.
        """
        self._options = replace(options, url=socket_url(options.url, NODE_PATH))
        self._engines = engines
        self._speech_format = options.speech_format or _best_format()
        self._profile = NodeProfile(engines, options.max_jobs)
        self._outgoing = Outgoing()
        pipeline = JobPipeline(engines, self._speech_format)
        self._jobs = NodeJobs(pipeline, options.max_jobs, self._send)
        self._node_id = NodeId(options.node_id) if options.node_id else None
        self.registered = asyncio.Event()
        """Set while the scheduler knows this node."""
        self._leaving = asyncio.Event()

    def __repr__(self) -> str:
        return f"<ReferenceNode {self._node_id} {self._jobs.load()}>"

    @property
    def node_id(self) -> NodeId | None:
        """The id the scheduler knows this node by; None before the first registration."""
        return self._node_id

    def leave(self) -> None:
        """Take nothing more; `run` returns when the jobs in hand are answered, or after `leave_ms`.

        What is not answered by then the scheduler gives to another node, as it does when a node's
        socket closes.
        """
        self._leaving.set()

    async def run(self) -> None:
        """Work until `leave` or until cancelled; engines are started first and stopped last.

        Raises:
            EngineError: an engine does not start.
        """
        tasks = {asyncio.create_task(part) for part in (self._work(), self._leave_when_asked())}
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._jobs.stop()
            await self._engines.stop()

    async def _work(self) -> None:
        await self._engines.start()
        await self._stay_connected()

    async def _leave_when_asked(self) -> None:
        await self._leaving.wait()
        if self._node_id is None or not self.registered.is_set():
            return
        logger.info("leaving; the jobs in hand are finished first", jobs=len(self._jobs))
        self._outgoing.put(self._heartbeat(self._node_id))
        try:
            async with asyncio.timeout(self._options.leave_ms / 1000):
                await self._jobs.finish()
                await self._outgoing.wait_until_empty()
        except TimeoutError:
            logger.warning("jobs are left to other nodes", jobs=len(self._jobs))

    async def _stay_connected(self) -> None:
        wait_ms = self._options.reconnect_first_ms
        while True:
            try:
                await self._one_connection()
            except RegistrationRefusedError as refusal:
                logger.error("the scheduler refuses this node: {}", refusal)
                if refusal.code == ErrorCode.NODE_ID_CONFLICT and self._options.node_id is None:
                    self._node_id = None
            except CONNECT_ERRORS as error:
                logger.warning("no scheduler ({}); next attempt in {} ms", reason(error), wait_ms)
            else:
                wait_ms = self._options.reconnect_first_ms
                logger.warning("the scheduler is gone; next attempt in {} ms", wait_ms)
            await asyncio.sleep(wait_ms / 1000)
            wait_ms = min(wait_ms * 2, self._options.reconnect_max_ms)

    async def _one_connection(self) -> None:
        """Connect, register and serve until the socket closes."""
        async with await open_connection(self._options.url, self._options.token) as socket:
            try:
                await self._register(socket)
                await self._serve(socket)
            except asyncio.CancelledError:
                await socket.close()  # else the library reports an internal error of ours (1011)
                raise
            finally:
                self.registered.clear()

    async def _register(self, socket: ClientConnection) -> None:
        registration = self._profile.registration(self._node_id)
        await socket.send(encode(registration))
        # Not `wait_for`: until Python 3.12 it swallows a cancel that meets the answer.
        async with asyncio.timeout(self._options.register_timeout_ms / 1000):
            ack = await self._acknowledgement(socket)
        if ack.error is not None:
            raise RegistrationRefusedError(ack.error.code, ack.error.message)
        if not ack.node_id:
            raise RegistrationRefusedError(ErrorCode.INVALID_MESSAGE, "no id in the answer")
        self._node_id = ack.node_id
        logger.info("registered", node_id=ack.node_id, url=shown_url(self._options.url))
        self.registered.set()

    async def _acknowledgement(self, socket: ClientConnection) -> NodeRegisterAck:
        while True:
            command = _parsed(await socket.recv())
            if isinstance(command, NodeRegisterAck):
                return command
            if isinstance(command, ErrorMessage):
                raise RegistrationRefusedError(command.code, command.message)

    async def _serve(self, socket: ClientConnection) -> None:
        """Read, write and send heartbeats until one of them finds the socket closed."""
        self._outgoing.drop_stale()
        helpers = [
            asyncio.create_task(self._outgoing.write_to(socket)),
            asyncio.create_task(self._send_heartbeats()),
        ]
        try:
            with contextlib.suppress(ConnectionClosed):
                async for data in socket:
                    self._take(data)
        finally:
            self._jobs.give_up_unfinished()
            for helper in helpers:
                helper.cancel()
            await asyncio.wait(helpers)  # awaiting one would swallow a cancel of our own
        for helper in helpers:
            if not helper.cancelled() and not isinstance(helper.exception(), ConnectionClosed):
                helper.result()

    async def _send_heartbeats(self) -> None:
        while self._node_id is not None:
            self._outgoing.put(self._heartbeat(self._node_id))
            await asyncio.sleep(self._options.heartbeat_ms / 1000)

    def _heartbeat(self, node_id: NodeId) -> NodeHeartbeat:
        is_leaving = self._leaving.is_set()
        return self._profile.heartbeat(node_id, self._jobs.load(), is_leaving=is_leaving)

    def _take(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self._take_frame(data)
            return
        command = _parsed(data)
        match command:
            case None:
                pass
            case JobAssign():
                self._jobs.assign(command)
            case JobEnd():
                self._jobs.end(command)
            case JobCancel():
                self._jobs.cancel(command.job_id)
            case NodeRegisterAck():
                self._node_id = command.node_id or self._node_id
            case NodeControl():
                logger.info("told by the scheduler", command=command.command)
            case ErrorMessage():
                logger.warning("the scheduler refused a message: {}", command.code)
            case _:
                assert_never(command)

    def _take_frame(self, data: bytes) -> None:
        try:
            self._jobs.take_audio(parse_stream_frame(data))
        except ProtocolError as error:  # the next frame of its job will find it missing
            logger.warning("the scheduler sent something else: {}", error.message)

    def _send(self, message: WireMessage) -> None:
        """Give a message its sender and hand it to the writer; results outlive a lost socket."""
        signed = message.model_copy(update={"node_id": self._node_id})
        is_result = isinstance(message, JobResult)
        self._outgoing.put(signed, self._options.unsent_ms if is_result else 0)


def _best_format() -> AudioFormat:
    return AudioFormat.OPUS if opus.is_installed() else AudioFormat.PCM16


def _parsed(data: str | bytes) -> NodeOutbound | None:
    """Return the command; None for one that this node does not know or that is broken."""
    try:
        return parse_node_command(data)
    except ProtocolError as error:
        logger.warning("the scheduler sent something else: {}", error.message)
        return None
