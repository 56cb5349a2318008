"""Who gets in where: credentials, pages and names, for each of the three doors."""

import pytest

from gateway.access.access import Access, Admitted, Denied, Door, Reason
from gateway.access.credentials import Credentials
from gateway.access.options import AccessOptions
from tests.support.access import request

PUBLIC = "0.0.0.0"  # noqa: S104 - what is judged
LOOPBACK = "127.0.0.1"
ALL = AccessOptions(node_tokens="gpu:n", client_tokens="acme:c", admin_token="a")
TOKENS = {Door.NODE: "n", Door.CLIENT: "c", Door.OPERATOR: "a"}
STRANGER = "https://evil.example"


def verdict(found: Admitted | Denied) -> str:
    return "in" if isinstance(found, Admitted) else found.reason


def judged(access: Access, door: Door, **headers: str) -> str:
    return verdict(access.judge(request(**headers), door))


def bearer(token: str) -> str:
    return f"Bearer {token}"


@pytest.mark.parametrize("door", list(Door))
def test_on_loopback_without_credentials_everybody_gets_in(door: Door) -> None:
    access = Access(AccessOptions(), LOOPBACK)
    assert judged(access, door) == "in"
    assert judged(access, door, authorization="Bearer whatever") == "in"


@pytest.mark.parametrize("host", [LOOPBACK, PUBLIC])
@pytest.mark.parametrize("door", list(Door))
def test_with_credentials_only_the_right_one_gets_in(door: Door, host: str) -> None:
    access = Access(ALL, host)
    assert judged(access, door) == Reason.NO_TOKEN
    for other, token in TOKENS.items():
        expected = "in" if other is door else Reason.WRONG_TOKEN
        assert judged(access, door, authorization=bearer(token)) == expected


def test_a_token_that_is_refused_is_401_and_what_no_token_helps_is_403() -> None:
    access = Access(AccessOptions(client_tokens="acme:c"), PUBLIC, "nodes")
    statuses = {
        door: found.status.value
        for door in Door
        if isinstance(found := access.judge(request(origin=STRANGER), door), Denied)
    }
    assert statuses == {Door.CLIENT: 401, Door.NODE: 403, Door.OPERATOR: 403}


def test_the_caller_is_whom_the_token_names() -> None:
    access = Access(ALL, PUBLIC)
    client = access.judge(request(authorization="Bearer c"), Door.CLIENT)
    node = access.judge(request(authorization="Bearer n"), Door.NODE)
    operator = access.judge(request(authorization="Bearer a"), Door.OPERATOR)
    assert isinstance(client, Admitted)
    assert isinstance(node, Admitted)
    assert isinstance(operator, Admitted)
    assert client.caller.tenant_id == "acme"
    assert node.caller.principal == "gpu"
    assert operator.caller.is_operator


def test_on_a_public_address_operators_are_never_anonymous() -> None:
    access = Access(AccessOptions(), PUBLIC, "clients,nodes,operators")
    assert access.is_shut(Door.OPERATOR)
    assert judged(access, Door.OPERATOR) == Reason.SHUT
    assert judged(access, Door.CLIENT) == judged(access, Door.NODE) == "in"


def test_who_may_be_anonymous_may_still_show_a_token_but_no_wrong_one() -> None:
    access = Access(ALL, PUBLIC, "clients")
    assert judged(access, Door.CLIENT) == "in"
    known = access.judge(request(authorization="Bearer c"), Door.CLIENT)
    assert isinstance(known, Admitted)
    assert known.caller.tenant_id == "acme"
    assert judged(access, Door.CLIENT, authorization="Bearer x") == Reason.WRONG_TOKEN
    assert judged(access, Door.NODE) == Reason.NO_TOKEN


@pytest.mark.parametrize("door", [Door.NODE, Door.OPERATOR])
@pytest.mark.parametrize("options", [AccessOptions(), ALL])
def test_a_strangers_page_is_no_node_and_no_operator_even_with_a_token(
    door: Door, options: AccessOptions
) -> None:
    access = Access(options, LOOPBACK)
    token = bearer(TOKENS[door])
    own = "http://127.0.0.1:5010"
    assert judged(access, door, authorization=token, origin=own) == "in"
    for origin in (STRANGER, "null", "http://127.0.0.1:8080", "http://localhost:5010"):
        assert judged(access, door, authorization=token, origin=origin) == Reason.ORIGIN


def test_listed_origins_open_sessions_and_nothing_else() -> None:
    options = AccessOptions(allowed_origins="https://app.example, https://b.example")
    access = Access(options, PUBLIC, "clients,nodes")
    for origin in ("https://app.example", "https://b.example"):
        assert judged(access, Door.CLIENT, origin=origin) == "in"
        assert judged(access, Door.NODE, origin=origin) == Reason.ORIGIN


def test_any_page_may_open_sessions_on_loopback_and_where_it_needs_a_token() -> None:
    assert judged(Access(AccessOptions(), LOOPBACK), Door.CLIENT, origin=STRANGER) == "in"
    with_token = Access(ALL, PUBLIC)
    assert judged(with_token, Door.CLIENT, origin=STRANGER, authorization="Bearer c") == "in"


def test_where_clients_are_anonymous_on_a_public_address_only_our_own_page_may() -> None:
    access = Access(AccessOptions(), PUBLIC, "clients,nodes")
    assert judged(access, Door.CLIENT, origin=STRANGER) == Reason.ORIGIN
    assert judged(access, Door.CLIENT, host="10.0.0.1", origin="http://10.0.0.1") == "in"
    assert judged(access, Door.CLIENT) == "in"


@pytest.mark.parametrize("door", list(Door))
def test_a_name_that_was_pointed_at_us_is_refused_where_no_token_is_needed(door: Door) -> None:
    rebound = {"host": "evil.example:5010", "origin": "http://evil.example:5010"}
    assert judged(Access(AccessOptions(), LOOPBACK), door, **rebound) == Reason.HOST
    assert judged(Access(AccessOptions(), LOOPBACK), door, host="evil.example") == Reason.HOST
    token = bearer(TOKENS[door])
    assert judged(Access(ALL, PUBLIC), door, authorization=token, **rebound) == "in"


def test_a_listed_name_is_ours() -> None:
    access = Access(AccessOptions(allowed_hosts="speech.example"), PUBLIC, "clients,nodes")
    assert judged(access, Door.CLIENT, host="speech.example") == "in"
    assert judged(access, Door.CLIENT, host="other.example") == Reason.HOST


def test_two_hosts_or_two_origins_are_a_trick() -> None:
    access = Access(AccessOptions(), LOOPBACK)
    two_hosts = request("/", ("Host", "127.0.0.1:5010"))
    assert verdict(access.judge(two_hosts, Door.CLIENT)) == Reason.HOST
    own = "http://127.0.0.1:5010"
    two_origins = request("/", ("Origin", STRANGER), origin=own)
    assert verdict(access.judge(two_origins, Door.NODE)) == Reason.ORIGIN


def test_the_sub_protocol_comes_back_also_where_no_token_is_needed() -> None:
    found = Access(AccessOptions(), LOOPBACK).judge(
        request(sec_websocket_protocol="bearer.x"), Door.CLIENT
    )
    assert isinstance(found, Admitted)
    assert found.subprotocol == "bearer.x"


def test_renewed_credentials_count_at_once() -> None:
    access = Access(ALL, PUBLIC)
    fresh = AccessOptions(client_tokens="acme:d", node_tokens="gpu:n", admin_token="a")
    access.renew(Credentials.read(fresh))
    assert judged(access, Door.CLIENT, authorization="Bearer c") == Reason.WRONG_TOKEN
    assert judged(access, Door.CLIENT, authorization="Bearer d") == "in"


def test_no_repr_shows_a_token() -> None:
    access = Access(AccessOptions(client_tokens="acme:sesame"), PUBLIC, "nodes")
    found = access.judge(request(sec_websocket_protocol="bearer.sesame"), Door.CLIENT)
    for value in (access, found, AccessOptions(client_tokens="acme:sesame", jwt_secret="sesame")):
        assert "sesame" not in repr(value)
