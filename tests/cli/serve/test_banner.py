"""The banner: addresses that can be copied as they stand."""

import pytest

from cli.serve.banner import Banner


def banner(host: str, **more: bool) -> str:
    return str(
        Banner(
            version="1.2.3",
            instance_id="i-1",
            host=host,
            port=5010,
            store="a store",
            durability="all survives",
            ready_seconds=0.5,
            **more,
        )
    )


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("127.0.0.1", "127.0.0.1:5010"),
        ("0.0.0.0", "127.0.0.1:5010"),  # noqa: S104 - an example
        ("::", "[::1]:5010"),
        ("::1", "[::1]:5010"),
        ("localhost", "localhost:5010"),
    ],
)
def test_the_addresses_can_be_connected_to(host: str, place: str) -> None:
    text = banner(host)
    assert f"ws://{place}/ws/session" in text
    assert f"ws://{place}/ws/node" in text
    assert f"http://{place}/health" in text


def test_it_is_one_block_with_the_facts() -> None:
    text = banner("127.0.0.1")
    assert text.startswith("lingua-scheduler 1.2.3, instance i-1, ready in 0.50 s\n")
    assert "a store\n" in text
    assert "all survives\n" in text
    assert "\n\n" not in text


def test_with_tls_every_address_says_so() -> None:
    text = banner("127.0.0.1", has_tls=True)
    assert "wss://127.0.0.1:5010/ws/session" in text
    assert "https://127.0.0.1:5010/health" in text
    assert " ws://" not in text


def test_that_operators_are_shut_out_is_said() -> None:
    assert "operators shut out: set LINGUA_ADMIN_TOKEN" in banner("::", shuts_operators_out=True)
    assert "shut out" not in banner("127.0.0.1")
