"""Client certificates of nodes: whom they stand for, and whose word counts."""

from typing import Any

import pytest

from gateway.access.certificates import CertificateAuthorities

OURS = ((("commonName", "ours"),),)
STRANGE = ((("commonName", "strange"),),)
AUTHORITIES = CertificateAuthorities(frozenset({OURS}))


def certificate(
    common: str | None = None, *others: tuple[str, str], issuer: object = OURS
) -> dict[str, Any]:
    """Return one as TLS shows it."""
    subject = () if common is None else ((("commonName", common),),)
    end = "Jan  1 00:00:00 2030 GMT"
    return {"subject": subject, "issuer": issuer, "subjectAltName": others, "notAfter": end}


def test_it_stands_for_its_name_until_its_end() -> None:
    proof = AUTHORITIES.proof_of(certificate("gpu-1"))
    assert proof is not None
    assert (proof.name, proof.expires_at_s) == ("gpu-1", 1_893_456_000)
    assert AUTHORITIES.has(proof.key)
    assert not CertificateAuthorities().has(proof.key)


def test_a_dns_name_goes_before_the_common_name() -> None:
    names = ("IP Address", "10.0.0.1"), ("DNS", "gpu-2"), ("DNS", "gpu-3")
    proof = AUTHORITIES.proof_of(certificate("gpu-1", *names))
    assert proof is not None
    assert proof.name == "gpu-2"


@pytest.mark.parametrize(
    "shown",
    [
        {},
        certificate(),
        certificate("a b"),
        certificate(""),
        certificate("x" * 65),
        certificate("gpu:1"),
        certificate("gpu-1", issuer=STRANGE),
        certificate("gpu-1", ("DNS", "a b")),
    ],
)
def test_what_has_no_name_or_another_issuer_stands_for_nobody(shown: dict[str, Any]) -> None:
    assert AUTHORITIES.proof_of(shown) is None
