"""What the tests of a node share."""

import pytest

from tests.actors.support.node_bench import NodeBench


@pytest.fixture
def bench() -> NodeBench:
    return NodeBench()
