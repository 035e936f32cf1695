"""A form that works once: sent again, by a reload or a second click, it makes nothing new and shows no secret again."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Form, Request, Response

from portal.callers import Call
from portal.idempotency import Keyed, ReplayedError
from portal.pages.views import told

# Made anew whenever the form is shown.
Once = Annotated[str, Form(alias="once", pattern=r"^[A-Za-z0-9_-]{16,64}$")]


async def once(
    call: Call, request: Request, key: str, work: Callable[[Call], Awaitable[Response]], *, says: str = ""
) -> Any:
    """What *work* answers, or answered when the form with this *key* was sent first; by the API's own means.

    A form that *says* something else the second time is another one.
    """
    said = hashlib.sha256(says.encode()).hexdigest()[:16]
    digest = hashlib.sha256(request.url.path.encode() + b"?" + request.url.query.encode())
    # No key of an API call holds a space, so the two never meet.
    keyed = Keyed(f"page {key} {said}", digest.digest())
    try:
        answer = await work(replace(call, keyed=keyed))
        await keyed.keep(answer)
    except ReplayedError as replayed:
        answer = replayed.answer
    finally:
        await keyed.close()
    return told(answer)
