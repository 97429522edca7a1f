"""What is read of any request: its body, as far as it may reach, and who asks."""

from fastapi import HTTPException, Request


async def bounded_body(request: Request, most: int) -> bytes:
    """The body of `request`; 413 as soon as it has more than `most` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, f"a body may have {most} bytes: send it in parts")
    return bytes(body)


def asker(request: Request) -> str:
    """Who asks, as far as an API without accounts knows."""
    return f"API, from {request.client.host if request.client else 'nowhere'}"
