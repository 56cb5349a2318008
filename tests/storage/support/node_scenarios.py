"""For each word of the scripts about nodes: how to get there."""

from typing import Any

from protocol.ids import NodeId
from storage.call import Call
from storage.nodes import NodeHeartbeatEntry, NodeRegistration
from tests.storage.support.scenario_table import busy_node, scenario
from tests.support.storage_world import World


@scenario("register_node", "OK")
def _register_ok(world: World) -> Call[Any]:
    world.dispatch("s", 1)
    registration = NodeRegistration(NodeId("n1"), ("a:en", "s:es"), 2, 1000, {"name": "n1"})
    return world.member().nodes.register(registration)


@scenario("register_node", "FENCED")
def _register_fenced(world: World) -> Call[Any]:
    return world.member("i2").nodes.register(NodeRegistration(NodeId("n1"), (), 1, 1000))


@scenario("register_node", "SUPERSEDED")
def _register_superseded(world: World) -> Call[Any]:
    """It was known here, and is connected to another instance by now."""
    world.node("n1")
    world.beat("i2")
    world.node("n1", owner="i2")
    registration = NodeRegistration(NodeId("n1"), (), 1, 1000, known_epoch=1)
    return world.member().nodes.register(registration)


@scenario("register_node", "TAKEN")
def _register_taken(world: World) -> Call[Any]:
    """A node of another credential is there under this id, at another instance."""
    world.beat("i2")
    world.register("n1", owner="i2", credential="gpu")
    registration = NodeRegistration(NodeId("n1"), (), 1, 1000, credential="other")
    return world.member().nodes.register(registration)


@scenario("list_slots", "OK")
def _list_slots_ok(world: World) -> Call[Any]:
    busy_node(world)
    return world.member().nodes.list_slots(NodeId("n1"), world.node_epochs["n1"])


@scenario("list_slots", "FENCED")
def _list_slots_fenced(world: World) -> Call[Any]:
    busy_node(world)
    return world.member().nodes.list_slots(NodeId("n1"), 1)


@scenario("heartbeat", "OK")
def _heartbeat(world: World) -> Call[Any]:
    busy_node(world)
    entry = NodeHeartbeatEntry(NodeId("n1"), world.node_epochs["n1"], 1000, True, 500)
    return world.member().nodes.heartbeat([entry, NodeHeartbeatEntry(NodeId("n9"), 1, 1)])


@scenario("update_node", "OK")
def _update_ok(world: World) -> Call[Any]:
    busy_node(world)
    return world.member().nodes.update(NodeId("n1"), world.node_epochs["n1"], max_jobs=2)


@scenario("update_node", "FENCED")
def _update_fenced(world: World) -> Call[Any]:
    return world.member().nodes.update(NodeId("n1"), 1, draining=True)


@scenario("node_offline", "OK")
def _offline_ok(world: World) -> Call[Any]:
    busy_node(world)
    return world.member().nodes.offline(NodeId("n1"), world.node_epochs["n1"])


@scenario("node_offline", "FENCED")
def _offline_fenced(world: World) -> Call[Any]:
    world.node("n1")
    return world.member().nodes.offline(NodeId("n1"), 1)
