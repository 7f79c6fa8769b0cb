"""Django's cache in the database of the broker."""

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from celery import current_app
from django.conf import settings
from django.core.checks import CheckMessage, Error

from background.checks.urls import REDIS, broker_urls, urls


class Database(NamedTuple):
    """One of the numbered databases of a Redis server."""

    host: str
    port: int
    number: int


def database(url: str, number: int = 0) -> Database | None:
    """The database that a URL names, or ``number`` if it names none. None if it is not a Redis URL."""
    try:
        parts = urlsplit(url)
        named = dict(parse_qsl(parts.query)).get("db") or parts.path.strip("/") or number
        host = "localhost" if parts.hostname in {None, "127.0.0.1", "::1"} else str(parts.hostname)
        return Database(host, parts.port or 6379, int(named)) if parts.scheme in REDIS else None
    except ValueError:
        return None


def check_cache(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """``cache.clear()`` is FLUSHDB, which empties the whole database."""
    taken = [("CELERY_BROKER_URL", url) for url in broker_urls()]
    taken += [("CELERY_RESULT_BACKEND", url) for url in urls(current_app.conf.result_backend)]
    found: list[CheckMessage] = []
    for alias, cache in settings.CACHES.items():
        location = cache.get("LOCATION")
        servers = re.split("[;,]", location) if isinstance(location, str) else location
        number = (cache.get("OPTIONS") or {}).get("db") or 0
        places = {database(url, number) for url in servers} if isinstance(servers, list | tuple) else set()
        for name, url in taken:
            place = database(url)
            if place and place in places:
                found.append(
                    Error(
                        f"CACHES[{alias!r}] and {name} share database {place.number} of {place.host}:{place.port}."
                        " cache.clear() would delete tasks or results.",
                        hint="Use another database for the cache, such as redis://host:6379/3, or another server.",
                        id="background.E006",
                    )
                )
    return found
