"""Encryption that checks no certificate."""

import ssl
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from celery import current_app
from django.core.checks import CheckMessage, Warning
from kombu.utils.url import maybe_sanitize_url, parse_url

from background.checks.urls import REDIS, broker_urls, urls

UNCHECKED = {"none", "CERT_NONE", ssl.CERT_NONE, None}  # the ways to write it for redis-py
AMQP = {"amqp", "amqps", "pyamqp"}
BROKER_HINTS = {
    "redis": "Put ?ssl_cert_reqs=required behind rediss://..., or into a dict as CELERY_BROKER_USE_SSL.",
    "amqp": 'Set CELERY_BROKER_USE_SSL = {"server_hostname": None}: kombu puts the URL\'s host there. Leave out cert_reqs.',
}
BACKEND_HINT = "Put ?ssl_cert_reqs=required behind rediss://..., or into a dict as CELERY_REDIS_BACKEND_USE_SSL."


def weakness(scheme: str, options: Any) -> str | None:
    """What is not checked, given a broker's scheme and TLS options; nothing where there is no TLS or all is well.

    A bare ``rediss://`` is not checked at all (``kombu/connection.py``, ``_init_params``). The options have other names
    for redis-py (``ssl_cert_reqs``) and for py-amqp (``cert_reqs``, ``server_hostname``), which looks at the host's name
    only where it is given one (``amqp/transport.py``, ``_wrap_socket_sni``).
    """
    if scheme == "rediss" and not options:
        return "takes any certificate for the broker's"
    if scheme in REDIS and options:
        if not isinstance(options, dict):
            return "is not encrypted: kombu leaves out options that are not a dict"
        if options.get("ssl_cert_reqs", "required") in UNCHECKED:
            return "takes any certificate for the broker's"
    elif scheme == "amqps" or (scheme in AMQP and options):
        options = options if isinstance(options, dict) else {}
        if options.get("cert_reqs") == ssl.CERT_NONE:
            return "takes any certificate for the broker's"
        if not options.keys() & {"server_hostname", "context"}:
            return "takes the certificate of any other host for the broker's"
    return None


def check_certificates(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Encryption without a look at the certificate keeps out nobody who can answer in the server's place."""
    conf = current_app.conf
    found = []
    for url in broker_urls():
        scheme = urlsplit(url).scheme
        try:
            options = parse_url(url).get("ssl") or conf.broker_use_ssl
        except (KeyError, ValueError):
            continue  # kombu says so itself when it connects
        if reason := weakness(scheme, options):
            found.append(("CELERY_BROKER_URL", url, reason, BROKER_HINTS["redis" if scheme in REDIS else "amqp"]))
    for url in urls(conf.result_backend):
        scheme, query = urlsplit(url).scheme, dict(parse_qsl(urlsplit(url).query))
        options = {**(conf.redis_backend_use_ssl or {}), **query}
        if scheme in REDIS and options.get("ssl_cert_reqs", "required") in UNCHECKED:
            found.append(("CELERY_RESULT_BACKEND", url, "takes any certificate for the server's", BACKEND_HINT))
    return [
        Warning(f"{name}, {maybe_sanitize_url(url)}, {reason}.", hint=hint, id="background.W005")
        for name, url, reason, hint in found
    ]
