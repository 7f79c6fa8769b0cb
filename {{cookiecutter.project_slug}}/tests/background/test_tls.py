"""Certificates are checked unless a URL says otherwise."""

import pytest

from background import tls


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("rediss://host:6380/1", "rediss://host:6380/1?ssl_cert_reqs=required"),
        ("rediss://host/1?ssl_ca_certs=/ca.pem", "rediss://host/1?ssl_ca_certs=/ca.pem&ssl_cert_reqs=required"),
        ("rediss://host/1?ssl_cert_reqs=none", "rediss://host/1?ssl_cert_reqs=none"),
        ("redis://host/1", "redis://host/1"),
        ("amqps://host//", "amqps://host//"),
        ("", ""),
    ],
)
def test_a_bare_url_asks_for_a_certificate(url: str, checked: str) -> None:
    assert tls.checked(url) == checked
