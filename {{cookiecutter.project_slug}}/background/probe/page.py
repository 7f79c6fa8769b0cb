"""A page for a machine: who shows a token gets an answer, at any host's name and by plain http."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.utils.decorators import sync_and_async_middleware

Answer = Callable[[HttpRequest], Any]


def machine_page(path: str, setting: str, answer: Answer) -> Callable[[Answer], Answer]:
    """A middleware that answers ``path`` for who shows the token of ``setting``. While that is empty there is no such page.

    It comes first: a machine asks by plain http and an address, which Django would send on to https, or refuse.
    """

    def is_asked(request: HttpRequest) -> bool:
        return request.path_info == path and bool(getattr(settings, setting, ""))

    def checked(request: HttpRequest) -> Any:
        given = request.headers.get("Authorization", "")
        if constant_time_compare(given.encode(errors="replace"), f"Bearer {getattr(settings, setting)}".encode()):
            return answer(request)
        return HttpResponse(f"{setting} is missing, or wrong.\n", status=401, headers={"WWW-Authenticate": "Bearer"})

    @sync_and_async_middleware
    def middleware(get_response: Answer) -> Answer:
        if iscoroutinefunction(get_response):

            async def in_a_loop(request: HttpRequest) -> Any:
                return await sync_to_async(checked)(request) if is_asked(request) else await get_response(request)

            return in_a_loop

        return lambda request: checked(request) if is_asked(request) else get_response(request)

    return middleware
