"""An HTTP server that speaks the OpenAI chat-completions protocol, images included."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], Any]


@dataclass
class ChatServer:
    """What the server says and what it was asked.

    Attributes
    ----------
    answer
        Makes the text of an answer from the request's body.
    fault
        May answer a request with something else: status, headers and body.
    requests
        Bodies of the requests, as they came.
    keys
        What each request was authorised with.
    delay
        Seconds that an answer takes.
    """

    answer: Callable[[dict[str, Any]], str | None] = lambda _: "yes"
    fault: Callable[[int, dict[str, Any]], Reply | None] = lambda *_: None
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    delay: float = 0.0
    url: str = ""
    most_at_once: int = 0
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def handle(self, body: dict[str, Any], key: str | None) -> Reply:
        """Answer one request."""
        with self._lock:
            self.requests.append(body)
            self.keys.append(key)
            number = len(self.requests)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        time.sleep(self.delay)
        try:
            return self.fault(number, body) or (200, {}, self.completion(body))
        finally:
            with self._lock:
                self._at_once -= 1

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a chat completion of 1,000 input and 200 output tokens."""
        message = {"role": "assistant", "content": self.answer(body)}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200},
        }


def text_of(body: dict[str, Any]) -> str:
    """Return the text of a request."""
    texts = [part["text"] for part in body["messages"][0]["content"] if part["type"] == "text"]
    return "".join(texts)


def images_of(body: dict[str, Any]) -> list[str]:
    """Return the URLs of the images of a request."""
    content = body["messages"][0]["content"]
    return [part["image_url"]["url"] for part in content if part["type"] == "image_url"]


@contextmanager
def serving(chat: ChatServer) -> Iterator[ChatServer]:
    """Serve on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/v1/chat/completions":
                self.send_reply(404, {}, {"error": {"message": f"no such path: {self.path}"}})
                return
            key = self.headers.get("Authorization")
            self.send_reply(*chat.handle(json.loads(content), key))

        def send_reply(self, status: int, headers: dict[str, str], body: Any) -> None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

        def handle(self) -> None:
            # A client that was killed has gone in the middle.
            with suppress(ConnectionError):
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    chat.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield chat
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
