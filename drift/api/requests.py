"""What is read of any request: its body, as far as it may reach, and who asks."""

from fastapi import HTTPException, Request

from drift.records import Visitor


async def bounded_body(request: Request, most: int) -> bytes:
    """The body of `request`; 413 as soon as it has more than `most` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, f"a body may have {most} bytes: send it in parts")
    return bytes(body)


def asker(request: Request, said: str = "") -> str:
    """Who asks: the name of the token, with whom the body says where it speaks for somebody.

    Without tokens it is who the body says, or the address.
    """
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    if visitor is not None:
        return f"{said} (token {visitor.name})" if said else visitor.name
    return said or f"API, from {request.client.host if request.client else 'nowhere'}"
