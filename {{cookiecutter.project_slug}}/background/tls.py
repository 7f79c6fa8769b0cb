"""Certificates of the broker are checked."""


def checked(url: str) -> str:
    """The URL of a broker or result backend, with the check of its certificate added where it says nothing of it.

    Celery takes a bare ``rediss://`` broker for one whose certificate is not to be checked, so that anyone in between
    can read and write tasks, and refuses the same URL as a result backend. What the URL does say stays.
    """
    if not url.startswith("rediss:") or "ssl_cert_reqs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"
