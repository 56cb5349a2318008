"""What instances know together of nodes: asked for once a second, while somebody looks."""

import asyncio
from collections.abc import Sequence

from actors.directory import Directory
from actors.messages.operator import NodeSeen, OperatorAnswered, OperatorAsked
from actors.operations import Operations
from actors.ports import Mailbox
from gateway.http.nodes_seen import NodesSeen
from protocol.ids import InstanceId
from storage.client.executor import StorageUnavailable
from tests.support.virtual_time import run_virtual

HERE, SLOW, DUMB = InstanceId("i1"), InstanceId("i2"), InstanceId("i3")


class Bench:
    """This instance, one that answers, and one that never does."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_away = False
        self.operations = Operations(Directory(HERE), self.way)
        self.operations.nodes_seen = self.seen_here
        self.nodes = NodesSeen(self.operations, self.others)

    def seen_here(self, node_id: str | None) -> tuple[NodeSeen, ...]:
        return (NodeSeen("n1", 100.0, 10, 1),) if node_id in (None, "n1") else ()

    async def others(self) -> Sequence[InstanceId]:
        if self.is_away:
            raise StorageUnavailable("away")
        return [SLOW, DUMB]

    def way(self, instance_id: InstanceId) -> Mailbox | None:
        bench = self

        class Way:
            def tell(self, message: OperatorAsked) -> None:
                bench.asked += 1
                if instance_id == DUMB:
                    return
                nodes = (NodeSeen("n1", 400.0, 30, 2), NodeSeen("n2", None, 3, 3))
                answer = OperatorAnswered(message.number, nodes=nodes)
                asyncio.get_running_loop().call_soon(bench.operations.tell, answer)

        return Way()


def test_what_several_have_seen_counts_by_how_much_they_have_seen() -> None:
    bench = Bench()

    async def main() -> None:
        assert bench.nodes.seen("n1")["ms_per_second"] == 100.0
        await bench.nodes.renew()
        await asyncio.sleep(4)
        found = bench.nodes.seen("n1")
        assert found == {"ms_per_second": 325.0, "recent_jobs": 40, "recent_errors": 3}
        assert bench.nodes.seen("n2")["ms_per_second"] is None
        assert bench.nodes.seen("n3") == {}

    run_virtual(main())


def test_one_that_does_not_answer_holds_nobody_up() -> None:
    bench = Bench()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(bench.nodes.renew() for _ in range(100)))
        assert loop.time() - began < 0.5
        assert bench.asked == 2
        await asyncio.sleep(5)
        assert bench.asked == 2, "nobody looks"

    run_virtual(main())


def test_while_the_store_is_away_what_was_known_stays() -> None:
    bench = Bench()

    async def main() -> None:
        await bench.nodes.renew()
        await asyncio.sleep(4)
        bench.is_away = True
        await bench.nodes.renew()
        assert bench.nodes.seen("n1")["recent_jobs"] == 40
        bench.nodes.close()

    run_virtual(main())
