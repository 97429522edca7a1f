"""The bodies of requests, read as far as they may reach."""

from fastapi import HTTPException, Request


async def bounded_body(request: Request, most: int) -> bytes:
    """The body of `request`; 413 as soon as it has more than `most` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, f"a body may have {most} bytes: send it in parts")
    return bytes(body)
