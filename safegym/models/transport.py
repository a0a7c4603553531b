"""Requests to a server that may be slow, busy, broken or gone: connections, waiting times and what failures mean."""

from __future__ import annotations

import asyncio
import importlib
import ipaddress
import json
import os
import re
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from safegym.errors import ContentError, MissingExtraError, ModelError
from safegym.models.base import TransientModelError
from safegym.randomness import stream_number, uniform

if TYPE_CHECKING:
    import httpx

LOCAL = "http://127.0.0.1:8000/v1"
CHAT = "/chat/completions"
MOST_BYTES = 1 << 26
"""The most that is read of one response."""
_TOLD = 300
"""The most characters of a server's words in an error."""
_SHORTEST = 3
"""The most characters of what is too short for a secret, and stands in many a word."""
_AGAIN = {408, 409, 425, 429}
_LONG = re.compile(
    r"context[ _-]?(?:length|size|window|limit)|(?:prompt|input|request|messages?)\b.{0,40}\btoo (?:long|large|many)"
    r"|maximum (?:number of )?(?:input )?tokens|max_new_tokens` must be",
    re.IGNORECASE | re.DOTALL,
)
_FILTERED = re.compile(r"content[ _](?:filter|management)", re.IGNORECASE)
_SPENT = "insufficient_quota"


class AttemptFailedError(Exception):
    """An attempt that may go better the next time.

    Args:
        reason: What happened.
        wait: The seconds that the server asks to wait; None if it does not.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class TooLongError(TransientModelError):
    """A prompt that does not fit the context; shorter ones may."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and after how long a request is tried again.

    Attributes:
        retries: Attempts after the first.
        backoff: Seconds before the first retry, doubled for every further one; half of it is jitter.
        longest: The most seconds before any retry, whatever the server asks for.
    """

    retries: int
    backoff: float
    longest: float

    def pause(self, attempt: int, wait: float | None, seed: int, session: str) -> float:
        """Seconds to wait after the failure of attempt 1, 2, ...; a function of its arguments alone."""
        drawn = float(uniform(seed, stream_number(session), "retry", attempt))
        doubled = self.backoff * 2.0 ** min(attempt - 1, 32)
        return min(self.longest, max(doubled * (0.5 + 0.5 * drawn), wait or 0.0))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a server asks to wait, told as seconds or as a date (RFC 9110); None if it tells none.

    Args:
        headers: Of the response.
        now: Seconds since 1970.
    """
    told = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d*)?", told):
        return float(told)
    try:
        date = parsedate_to_datetime(told)
    except (ValueError, IndexError, OverflowError):
        return None
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)


def check_status(status: int, headers: Mapping[str, str], said: str, *, proven: bool) -> None:
    """Say what the status of a response means.

    Args:
        status: The HTTP status, or the code of an error inside of a stream.
        headers: Of the response.
        said: The server's own words.
        proven: Whether the server has answered other requests, so that a refusal is about this one.

    Raises:
        AttemptFailedError: If it may go better the next time.
        TooLongError: If the prompt has to be shorter.
        TransientModelError: If this request cannot be answered, but others can.
        ModelError: If no request can.
    """
    if 200 <= status < 300:
        return
    reason = f"{status} {said}".strip()
    if (status in _AGAIN and _SPENT not in said) or status >= 500:
        raise AttemptFailedError(reason, retry_after(headers, time.time()))
    own = f"the server refused this request: {reason}"
    if status == 413 or (status in (400, 422) and _LONG.search(said)):
        raise TooLongError(own)
    if status in (400, 422) and (proven or _FILTERED.search(said)):
        raise TransientModelError(own)
    raise ModelError(f"the server refuses requests: {reason}")


def words(body: bytes | str, secrets: Iterable[str] = ()) -> str:
    """What an error response says, without secrets and shortened: the message where it is JSON with one."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = text
    plain = " ".join(hidden(_message(told), secrets).encode("utf-8", "replace").decode("utf-8").split())
    return plain if len(plain) <= _TOLD else plain[:_TOLD] + "..."


def _message(told: Any) -> str:  # noqa: ANN401 - whatever a server sends
    if not isinstance(told, dict):
        return told if isinstance(told, str) else json.dumps(told)
    inner = next((told[key] for key in ("error", "message", "detail") if told.get(key)), None)
    if isinstance(inner, dict):
        parts = [inner.get(key) for key in ("message", "code", "type")]
        return " ".join(dict.fromkeys(each for each in parts if isinstance(each, str) and each)) or json.dumps(inner)
    return json.dumps(told) if inner is None else _message(inner)


def public_url(url: str) -> str:
    """A URL without user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def address(url: str) -> tuple[httpx.URL, tuple[str, str] | tuple[()], str]:
    """The URL of chat completions without user and password, these two, and what may be shown of it.

    Raises:
        ContentError: If it is no URL of a server.
    """
    httpx = httpx_library()
    expected = f"expected a URL such as {LOCAL}"
    try:
        given, shown = httpx.URL(url), public_url(url)
        given.raw_host.decode("ascii").encode("idna")  # as it is written when the host is looked up
    except (httpx.InvalidURL, ValueError):
        raise ContentError("compute", "base_url", f"{expected}, got something else") from None
    if given.scheme not in ("http", "https") or not given.host:
        raise ContentError("compute", "base_url", f"{expected}, got {shown!r}")
    user = (given.username, given.password) if given.userinfo else ()
    return given.copy_with(userinfo=b"", path=given.path.rstrip("/").removesuffix(CHAT) + CHAT), user, shown


def key_from(variable: str, *, required: bool) -> str:
    """The key that an environment variable holds; nothing where it is not set.

    Raises:
        ContentError: If the key itself was given.
        ModelError: If it cannot be a key, or is required and not set.
    """
    if not re.fullmatch(r"[A-Za-z_]\w*", variable, re.ASCII):
        raise ContentError("compute", "key_env", "expected the name of an environment variable, never the key itself")
    key = os.environ.get(variable, "").strip()
    if required and not key:
        told = variable if variable.isupper() else "***"  # it may be the key itself
        raise ModelError(f"the environment variable {told}, which key_env names, is not set")
    if not (key.isascii() and key.isprintable()):
        raise ModelError(f"the environment variable {variable} holds characters that no key has")
    return key


def trusted(url: httpx.URL) -> bool:
    """Whether a key that was not meant for one server alone may be sent there: over https, or to this machine."""
    if url.scheme == "https" or url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False


def secrets_of(key: str, user: Iterable[str], url: httpx.URL) -> tuple[str, ...]:
    """What must not be told: a key, a user and password, and the values of a URL's query, the longest first."""
    query = url.query.decode("ascii")
    values = [value for _, value in parse_qsl(query)] + [part.partition("=")[2] for part in query.split("&")]
    return tuple(sorted({each for each in (key, *user, *values) if len(each) > _SHORTEST}, key=len, reverse=True))


def hidden(text: str, secrets: Iterable[str]) -> str:
    """A text in which no secret stands."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


# ------------------------------------------------------------------------------------------------------ what is read


async def read_body(response: httpx.Response, most: int = MOST_BYTES) -> bytes:
    """The body of a response; what follows after `most` bytes is left."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most:
            break
    return bytes(body)


async def events(response: httpx.Response) -> AsyncIterator[bytes]:
    """The data of each server-sent event; lines end in line feeds alone, as JSON may hold other separators.

    Raises:
        AttemptFailedError: If there is no end to them.
    """
    rest, size = b"", 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > MOST_BYTES:
            raise AttemptFailedError(f"a stream of more than {MOST_BYTES} bytes")
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            name, _, data = line.partition(b":")
            if name.strip() == b"data" and data.strip():
                yield data.strip()


def parsed(body: bytes, secrets: Iterable[str] = ()) -> object:
    """The JSON of a body; secrets are left out of the error.

    Raises:
        AttemptFailedError: If it is none.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise AttemptFailedError(f"expected JSON, got {words(body, secrets)[:80]!r}") from None


# -------------------------------------------------------------------------------------------------------- connections


def httpx_library() -> Any:  # noqa: ANN401 - a module
    """The HTTP client, which belongs to the extra `llm`."""
    try:
        return importlib.import_module("httpx")
    except ImportError:
        raise MissingExtraError("a model behind a server", "llm") from None


@dataclass(slots=True)
class Line:
    """What the requests of one event loop share.

    Attributes:
        client: Sends them.
        gate: What each attempt passes.
        users: How many requests are in flight.
        closing: Set when no further attempt may be made.
    """

    client: httpx.AsyncClient
    gate: asyncio.Semaphore
    users: int = 0
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def pause(self, seconds: float) -> None:
        """Wait before another attempt, but not for one that will not be made."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.closing.wait()


@dataclass(slots=True)
class Connections:
    """HTTP clients, one for each event loop, open while requests of that loop are in flight.

    A client belongs to the loop it was first used on, and each run has a loop of its own.

    Attributes:
        concurrency: The most requests at once on one loop.
        settings: What the clients are made with.
        closed: Whether no further request may be made.
    """

    concurrency: int
    settings: Mapping[str, Any] = field(repr=False)
    closed: bool = False
    _held: dict[asyncio.AbstractEventLoop, Line] = field(default_factory=dict, repr=False)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Line]:
        """The line of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._held:
            client = httpx_library().AsyncClient(**self.settings)
            self._held[loop] = Line(client, asyncio.Semaphore(self.concurrency))
        held = self._held[loop]
        held.users += 1
        try:
            yield held
        finally:
            held.users -= 1
            if not held.users:
                self._held.pop(loop, None)
                await held.client.aclose()

    def close(self) -> None:
        """Cut the connections; requests in flight fail, and those that pause before a retry."""
        self.closed = True
        for loop, held in list(self._held.items()):
            if loop.is_running():
                loop.call_soon_threadsafe(held.closing.set)
                asyncio.run_coroutine_threadsafe(held.client.aclose(), loop)
