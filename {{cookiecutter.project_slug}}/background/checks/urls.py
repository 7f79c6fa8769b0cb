"""The URLs in the settings."""

from typing import Any
from urllib.parse import SplitResult, urlsplit

from celery import current_app

REDIS = {"redis", "rediss", "sentinel", "valkey", "valkeys"}  # the last two are for caches; kombu has no such transport


def urls(value: Any) -> list[str]:
    """The URLs in a setting: one, several separated by semicolons, or a list."""
    if isinstance(value, str):
        return value.split(";")
    return [url for part in value or () for url in urls(part)]


def broker_urls() -> list[str]:
    return list(dict.fromkeys([*urls(current_app.conf.broker_read_url), *urls(current_app.conf.broker_write_url)]))


def split(url: str) -> SplitResult:
    """The parts of a URL. They are empty if it is none: what connects to it says so."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
