"""A server on this machine that misbehaves as it is told, for whatever speaks with servers."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """One response: `body` is bytes, something for JSON, or an iterator of pieces that are sent one by one."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    missing: int = 0
    """Bytes that are announced and never sent."""
    wait: float = 0.0


@dataclass
class Seen:
    """What one request brought."""

    body: dict[str, Any]
    headers: dict[str, str]


def message(content: Any = "I look around.", finish: str = "stop", **fields: Any) -> dict[str, Any]:
    """A well-formed reply; fields of the message are added."""
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 64}}
    said = {"role": "assistant", "content": content, **fields}
    return {"choices": [{"index": 0, "message": said, "finish_reason": finish}], "usage": usage}


def called(name: Any, arguments: Any, finish: str = "tool_calls", content: Any = None) -> dict[str, Any]:
    """A reply with one parsed call."""
    return message(content, finish, tool_calls=[{"id": "x", "function": {"name": name, "arguments": arguments}}])


def streamed(*deltas: dict[str, Any], finish: str | None = "stop", end: bytes = b"data: [DONE]\n\n") -> Answer:
    """A well-formed stream."""
    chosen = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chosen += [{"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}] if finish else []
    return Answer(iter([*(event(each) for each in chosen), end]), kind="text/event-stream")


def event(data: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


Script = Sequence[Answer] | Callable[[dict[str, Any], int], Answer]


class Server(ThreadingHTTPServer):
    """Plays a script: its n-th answer to the n-th request, the last one for ever, or what a function says."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, script: Script, models: Answer | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.models = models or Answer({"data": [{"id": "tiny", "max_model_len": 6000, "owned_by": "tests"}]})
        self.seen: list[Seen] = []
        self.listings: list[dict[str, str]] = []
        self.stopping = threading.Event()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """What a client takes as base_url."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up as they like."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def answer(self, seen: Seen) -> Answer:
        """The answer to a request."""
        with self._lock:
            self.seen.append(seen)
            number = len(self.seen) - 1
        if callable(self.script):
            return self.script(seen.body, number)
        return self.script[min(number, len(self.script) - 1)]


@contextmanager
def serve(*script: Answer | Callable[[dict[str, Any], int], Answer], models: Answer | None = None) -> Iterator[Server]:
    """A running server."""
    server = Server(script[0] if callable(script[0]) else script, models)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.listings.append(dict(self.headers.items()))
        self._send(self.server.models)

    def do_POST(self) -> None:
        assert self.path.split("?")[0].endswith("/chat/completions"), self.path
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._send(self.server.answer(Seen(body, {name.lower(): value for name, value in self.headers.items()})))

    def _send(self, answer: Answer) -> None:
        self.server.stopping.wait(answer.wait)
        with suppress(ConnectionError):
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if hasattr(answer.body, "__next__"):
                self._send_pieces(answer.body)
                return
            content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_header("Content-Length", str(len(content) + answer.missing))
            self.end_headers()
            self.wfile.write(content)
        self.close_connection = bool(answer.missing)

    def _send_pieces(self, pieces: Iterable[bytes]) -> None:
        self.send_header("Connection", "close")
        self.end_headers()
        for piece in pieces:
            if self.server.stopping.is_set():
                break
            self.wfile.write(piece)
            self.wfile.flush()
        self.close_connection = True


def slowly(pieces: Iterable[bytes], seconds: float) -> Iterator[bytes]:
    """Pieces with pauses before each."""
    for piece in pieces:
        time.sleep(seconds)
        yield piece
