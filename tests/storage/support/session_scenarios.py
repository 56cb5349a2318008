"""For each word of the scripts about sessions and instances: how to get there."""

from typing import Any

from actors.usage import TenantUsage
from protocol.ids import InstanceId, SessionId
from storage.call import Call
from storage.cells import FIRST
from storage.instances import InstanceRepository
from storage.sessions import Claim
from tests.storage.support.scenario_table import busy_node, scenario
from tests.support.storage_world import LEASE_MS, World


@scenario("beat", "OK")
def _beat(world: World) -> Call[Any]:
    return world.member().instances.beat(LEASE_MS)


@scenario("beat", "TAKEN")
def _beat_taken(world: World) -> Call[Any]:
    return InstanceRepository(world.store, InstanceId("i1"), nonce="another").beat(LEASE_MS)


@scenario("reap", "OK")
def _reap_ok(world: World) -> Call[Any]:
    world.beat("i2")
    world.node("n2", owner="i2")
    world.session("s", owner="i2")
    for index in (1, 2):
        world.dispatch("s", index, owner="i2")
    world.wait(LEASE_MS)
    world.beat()
    return world.member().instances.reap(InstanceId("i2"))


@scenario("reap", "REVIVED")
def _reap_revived(world: World) -> Call[Any]:
    world.beat("i2")
    return world.member().instances.reap(InstanceId("i2"))


@scenario("reap", "FENCED")
def _reap_fenced(world: World) -> Call[Any]:
    return world.member("i2").instances.reap(InstanceId("i1"))


@scenario("claim_session", "OK")
def _claim_ok(world: World) -> Call[Any]:
    busy_node(world)
    return world.member().sessions.claim(Claim(SessionId("s"), "t1"))


@scenario("claim_session", "FENCED")
def _claim_fenced(world: World) -> Call[Any]:
    return world.member("i2").sessions.claim(Claim(SessionId("s"), "t1"))


@scenario("close_session", "OK")
def _close_ok(world: World) -> Call[Any]:
    return world.member().sessions.close(SessionId("s"), world.session("s"))


@scenario("close_session", "FENCED")
def _close_fenced(world: World) -> Call[Any]:
    world.session("s")
    return world.member().sessions.close(SessionId("s"), 1)


@scenario("claim_session", "MOVED")
def _claim_moved(world: World) -> Call[Any]:
    world.session("s")
    world.beat("i2")
    return world.member("i2").sessions.claim(Claim(SessionId("s"), "t1", known_epoch=1))


@scenario("claim_session", "GONE")
def _claim_gone(world: World) -> Call[Any]:
    return world.member().sessions.claim(Claim(SessionId("s"), "t1", resumes=True))


@scenario("find_session", "FOUND")
def _find_found(world: World) -> Call[Any]:
    world.resumable("s")
    return world.member("i2").sessions.find(SessionId("s"))


@scenario("find_session", "UNKNOWN")
def _find_unknown(world: World) -> Call[Any]:
    world.session("s")
    return world.member().sessions.find(SessionId("s"))


@scenario("locate_session", "FOUND")
def _locate_found(world: World) -> Call[Any]:
    world.session("s")
    return world.member("i2").sessions.locate(SessionId("s"))


@scenario("locate_session", "UNKNOWN")
def _locate_unknown(world: World) -> Call[Any]:
    world.beat("i2")
    return world.member().sessions.locate(SessionId("s"))


@scenario("record_session", "OK")
def _note_ok(world: World) -> Call[Any]:
    return world.member().sessions.record(SessionId("s"), world.resumable("s"), "{}", "1.2")


@scenario("record_session", "FENCED")
def _note_fenced(world: World) -> Call[Any]:
    world.resumable("s")
    return world.member().sessions.record(SessionId("s"), 1, "{}")


@scenario("check_sessions", "OK")
def _check_ok(world: World) -> Call[Any]:
    held = SessionId("s")
    return world.member().sessions.check({held: world.session("s"), SessionId("s2"): 1})


@scenario("agree_schema", "OK")
def _schema_ok(world: World) -> Call[Any]:
    return world.member().instances.agree_schema()


@scenario("agree_schema", "INCOMPATIBLE")
def _schema_incompatible(world: World) -> Call[Any]:
    world.do(world.member().instances.agree_schema())
    return world.member().instances.agree_schema("0")


@scenario("add_usage", "OK")
def _usage_ok(world: World) -> Call[Any]:
    return world.member().instances.add_usage(1, [TenantUsage("acme", 1, 2500, 2)])


@scenario("add_usage", "REPEATED")
def _usage_repeated(world: World) -> Call[Any]:
    call = world.member().instances.add_usage(1, [TenantUsage("acme", 1, 2500, 2)])
    world.do(call)
    return call


@scenario("add_usage", "FENCED")
def _usage_fenced(world: World) -> Call[Any]:
    return world.member("i2").instances.add_usage(1, [TenantUsage("acme", 1, 2500, 2)])


@scenario("forget_session", "OK")
def _forget_ok(world: World) -> Call[Any]:
    world.beat("i2")
    world.resumable("s", owner="i2")
    world.wait(LEASE_MS)
    world.beat()
    world.do(world.member().instances.reap(InstanceId("i2")))
    return world.member().sessions.forget(SessionId("s"), FIRST)


@scenario("forget_session", "OWNED")
def _forget_owned(world: World) -> Call[Any]:
    world.session("s")
    return world.member("i2").sessions.forget(SessionId("s"), FIRST)


@scenario("forget_session", "UNKNOWN")
def _forget_unknown(world: World) -> Call[Any]:
    return world.member().sessions.forget(SessionId("s"), FIRST)
