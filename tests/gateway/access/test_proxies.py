"""From which address a request comes, also behind proxies that are trusted, and others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.proxies import TrustedProxies, is_network

PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8:1::/48"])


def test_without_a_proxy_the_peer_counts_whatever_it_says() -> None:
    for forwarded in ([], ["1.2.3.4"], ["10.0.0.1"]):
        assert PROXIES.client_of("203.0.113.7", forwarded) == "203.0.113.7"
    assert TrustedProxies().client_of("10.0.0.1", ["1.2.3.4"]) == "10.0.0.1"


def test_behind_a_trusted_proxy_its_client_counts() -> None:
    assert PROXIES.client_of("10.0.0.1", ["203.0.113.7"]) == "203.0.113.7"
    assert PROXIES.client_of("2001:db8:1::5", ["203.0.113.7"]) == "203.0.113.7"


def test_what_a_client_says_of_itself_stands_further_left_and_does_not_count() -> None:
    assert PROXIES.client_of("10.0.0.1", ["1.1.1.1, 203.0.113.7"]) == "203.0.113.7"
    assert PROXIES.client_of("10.0.0.1", ["1.1.1.1", "2.2.2.2, 203.0.113.7"]) == "203.0.113.7"


def test_a_chain_of_trusted_proxies_is_followed_to_its_end() -> None:
    assert PROXIES.client_of("10.0.0.1", ["203.0.113.7, 10.0.0.3, 10.0.0.2"]) == "203.0.113.7"


def test_a_proxy_that_names_nobody_is_exempt() -> None:
    for forwarded in ([], ["unknown"], ["203.0.113.7, unknown"], ["10.0.0.2"], [""]):
        assert PROXIES.client_of("10.0.0.1", forwarded) == ""


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        ("203.0.113.7:443", "203.0.113.7"),
        ("[2001:db8:2::7]:443", "2001:db8:2::/64"),
        ("[2001:db8:2::7]", "2001:db8:2::/64"),
        ("2001:db8:2::7", "2001:db8:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", ""),
    ],
)
def test_a_hop_may_have_every_usual_form(hop: str, address: str) -> None:
    assert PROXIES.client_of("10.0.0.1", [hop]) == address


def test_one_customer_of_ipv6_is_one_address() -> None:
    first, second, other = "2001:db8:2:1::1", "2001:db8:2:1:ffff::2", "2001:db8:2:2::1"
    assert PROXIES.client_of(first, []) == PROXIES.client_of(second, [])
    assert PROXIES.client_of(first, []) != PROXIES.client_of(other, [])


def test_a_proxy_on_this_machine_may_be_trusted_too() -> None:
    assert TrustedProxies().client_of("", ["203.0.113.7"]) == ""
    for loopback in ("127.0.0.1", "::1", "127.0.0.0/8"):
        assert TrustedProxies([loopback]).client_of("", ["203.0.113.7"]) == "203.0.113.7"


def test_networks_are_judged() -> None:
    assert all(map(is_network, ["10.0.0.1", "10.0.0.0/8", "10.1.2.3/8", "::1", "2001:db8::/32"]))
    assert not any(map(is_network, ["", "proxy", "10.0.0.0/33", "10.0.0"]))


@given(st.text(), st.lists(st.text()))
def test_nothing_that_is_sent_raises(peer: str, forwarded: list[str]) -> None:
    PROXIES.client_of(peer, forwarded)
    PROXIES.client_of("10.0.0.1", forwarded)
