"""What `LINGUA_TENANTS` says."""

import pytest

from storage.tenant_share import TenantShare, shares_of


def test_each_tenant_has_what_is_named_and_the_rest_as_everybody() -> None:
    text = "acme:weight=2,sessions=100,slots=20; small : slots=1 ;"
    assert shares_of(text) == {"acme": TenantShare(2, 100, 20), "small": TenantShare(slots=1)}


def test_nothing_names_nobody() -> None:
    assert shares_of("") == {}


@pytest.mark.parametrize(
    "text",
    [
        "acme",
        "acme:",
        ":weight=2",
        "acme:weight",
        "acme:weight=0",
        "acme:weight=1001",
        "acme:weight=-1",
        "acme:weight=1.5",
        "acme:weight=²",
        "acme:speed=2",
        "acme:weight=1,weight=2",
        "acme:weight=1;acme:weight=2",
        "ac me:weight=1",
        "acme:slots=1,",
    ],
)
def test_anything_else_is_no_list_of_shares(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no|weight"):
        shares_of(text)
