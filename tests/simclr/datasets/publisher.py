"""A publisher on this machine: serves files over HTTP, well or badly."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Publisher:
    """What is served and how; ``asked`` notes path and Range of every request."""

    files: dict[str, bytes]
    knows_ranges: bool = True
    # Of the first answers, how many bytes are sent before the connection drops.
    drops: list[int] = field(default_factory=list)
    # Statuses of the first answers, instead of the file.
    statuses: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(publisher: Publisher) -> Iterator[Publisher]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(publisher))
    publisher.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield publisher
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(publisher: Publisher) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            publisher.asked.append((self.path.lstrip("/"), self.headers.get("Range")))
            if publisher.statuses:
                self.send_error(publisher.statuses.pop(0))
                return
            data = publisher.files.get(self.path.lstrip("/"))
            if data is None:
                self.send_error(404)
                return
            start = 0
            if publisher.knows_ranges and (asked := self.headers.get("Range")):
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                if start >= len(data):
                    self.send_error(416)
                    return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            sent = publisher.drops.pop(0) if publisher.drops else len(data)
            self.wfile.write(data[start : start + sent])

        def log_message(self, *_: object) -> None:
            """Requests are noted in ``asked``."""

    return Handler
