"""TLS that does not verify certificates."""

import ssl
from typing import Any
from urllib.parse import parse_qsl

from celery import current_app
from django.core.checks import CheckMessage, Warning
from kombu.utils.url import maybe_sanitize_url, parse_url

from background.checks.urls import REDIS, broker_urls, split, urls

UNCHECKED = {"none", "CERT_NONE", ssl.CERT_NONE, None}  # the ways to write it for redis-py
AMQP = {"amqp", "amqps", "pyamqp"}
BROKER_HINTS = {
    "redis": 'Append ?ssl_cert_reqs=required to the URL, or set CELERY_BROKER_USE_SSL = {"ssl_cert_reqs": "required"}.',
    "amqp": 'Set CELERY_BROKER_USE_SSL = {"server_hostname": None}, without cert_reqs. kombu fills in the URL\'s host.',
}
BACKEND_HINT = (
    'Append ?ssl_cert_reqs=required to the URL, or set CELERY_REDIS_BACKEND_USE_SSL = {"ssl_cert_reqs": "required"}.'
)


def weakness(scheme: str, options: Any) -> str | None:
    """What is not verified, given a broker's scheme and TLS options. None if there is no TLS, or all is verified.

    With a bare ``rediss://`` nothing is verified (``kombu/connection.py``, ``_init_params``). redis-py calls the option
    ``ssl_cert_reqs``. py-amqp has ``cert_reqs`` and ``server_hostname``, and checks the host's name only if it is given
    one (``amqp/transport.py``, ``_wrap_socket_sni``).
    """
    if scheme == "rediss" and not options:
        return "does not verify the broker's certificate"
    if scheme in REDIS and options:
        if not isinstance(options, dict):
            return "is not encrypted: kombu ignores options that are not a dict"
        if options.get("ssl_cert_reqs", "required") in UNCHECKED:
            return "does not verify the broker's certificate"
    elif scheme == "amqps" or (scheme in AMQP and options):
        options = options if isinstance(options, dict) else {}
        if options.get("cert_reqs") == ssl.CERT_NONE:
            return "does not verify the broker's certificate"
        if not options.keys() & {"server_hostname", "context"}:
            return "does not check that the certificate is for the broker's host"
    return None


def check_certificates(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Without verification, anyone who can answer in the server's place can read and change what is sent."""
    conf = current_app.conf
    found = []
    for url in broker_urls():
        scheme = split(url).scheme
        try:
            options = parse_url(url).get("ssl") or conf.broker_use_ssl
        except (KeyError, TypeError, ValueError):
            continue  # kombu reports it when it connects, or the URL is one of Celery's guide that parse_url does not know
        if reason := weakness(scheme, options):
            found.append(("CELERY_BROKER_URL", url, reason, BROKER_HINTS["redis" if scheme in REDIS else "amqp"]))
    for url in urls(conf.result_backend):
        scheme, query = split(url).scheme, dict(parse_qsl(split(url).query))
        options = {**(conf.redis_backend_use_ssl or {}), **query}
        if scheme in REDIS and options.get("ssl_cert_reqs", "required") in UNCHECKED:
            found.append(("CELERY_RESULT_BACKEND", url, "does not verify the server's certificate", BACKEND_HINT))
    return [
        Warning(f"{name} ({maybe_sanitize_url(url)}) {reason}.", hint=hint, id="background.W005")
        for name, url, reason, hint in found
    ]
