"""What a worker needs of a message to run its task.

Celery 5.7.0 trusts what it reads. A body or header of another form ends a worker, and the next one that takes the message.
"""

from numbers import Real
from typing import Any


def fault_of(message: Any) -> str | None:
    """Why no worker can run the task of this message. None if one can.

    This looks at messages of Celery's second protocol
    (https://docs.celeryq.dev/en/stable/internals/protocol.html#version-2), which every Celery since 4.0 sends.
    """
    headers = message.headers
    if not isinstance(headers, dict):
        return "its headers are not an object"
    if "task" not in headers:
        return None  # it may be of the first protocol, which Celery looks at itself
    for name in ("task", "id"):
        if not isinstance(headers.get(name), str):
            return f"the header {name!r} is not text"
    for name in ("eta", "expires"):
        if not isinstance(headers.get(name), str | None):
            return f"the header {name!r} is not a time"
    limits = headers.get("timelimit")
    if limits is not None and not is_pair_of_limits(limits):
        return "the header 'timelimit' is not a pair of numbers"
    try:
        body = message.payload
    except Exception as error:  # whatever a decoder raises
        return f"its body can't be decoded: {error!r}"
    match body:
        case [list() | tuple(), dict(), dict() | None]:
            return None
    return "its body is not a list of arguments, keyword arguments and options"


def is_pair_of_limits(limits: Any) -> bool:
    return isinstance(limits, list | tuple) and len(limits) == 2 and all(isinstance(x, Real | None) for x in limits)
