"""Messages to a node's actor, from the gateway, the dispatcher and other instances."""

from typing import TypeAlias

from actors.messages.job import AssignJob, KeepJob, WithdrawJob
from actors.messages.link import Flushed
from actors.messages.node import (
    DrainNode,
    NodeAccepted,
    NodeDrained,
    NodeHeartbeatArrived,
    NodeIsAlive,
    NodeMessageArrived,
    NodeRefused,
    NodeRegistering,
    NodeSocketLost,
    NodeSuperseded,
    NodeUnknown,
    NodeUpdated,
    ProbeNode,
    SlotsListed,
    UndrainNode,
)
from actors.messages.process import DispatcherRestarted, InstanceReaped, StoreEmptied
from actors.messages.stream import StreamCut, StreamFrame

NodeActorMessage: TypeAlias = (
    NodeMessageArrived
    | AssignJob
    | WithdrawJob
    | NodeHeartbeatArrived
    | NodeRegistering
    | NodeAccepted
    | NodeRefused
    | NodeUnknown
    | NodeUpdated
    | NodeSocketLost
    | StoreEmptied
    | DispatcherRestarted
    | KeepJob
    | SlotsListed
    | InstanceReaped
    | NodeSuperseded
    | ProbeNode
    | NodeIsAlive
    | DrainNode
    | UndrainNode
    | NodeDrained
    | Flushed
    | StreamFrame
    | StreamCut
)
"""All messages that a node's actor takes."""
