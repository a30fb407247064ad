"""HTTP as light as it gets, since client and server share the cores: keep-alive requests, and event streams that resume."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

LIMIT = 1 << 22  # bytes of one line; an answer's body is read by its length


class Answer(NamedTuple):
    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Connection:
    """One connection to the lab, kept alive; requests on it one after the other."""

    def __init__(self, port: int, cookie: str) -> None:
        self._port = port
        host = f"127.0.0.1:{port}"
        self._common = f"Host: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\n"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """The answer with its whole body.

        Raises:
            OSError: the connection is lost, or refused; ``IncompleteReadError`` is one of ``EOFError``.
        """
        reader = await self.send(method, path, body, **headers)
        status, found = await self.head(reader)
        return Answer(status, found, await reader.readexactly(int(found.get(b"content-length", b"0"))))

    async def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> asyncio.StreamReader:
        if self._reader is None or self._writer is None or self._writer.is_closing() or self._reader.at_eof():
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=LIMIT)
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        if body:
            lines += "Content-Type: application/json\r\n"
        head = f"{method} {path} HTTP/1.1\r\n{self._common}{lines}Content-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        return self._reader

    async def head(self, reader: asyncio.StreamReader) -> tuple[int, dict[bytes, bytes]]:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        pairs = (line.partition(b":") for line in lines if line)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


@dataclass
class Follower:
    """Follows one job's events as a browser does: from the last number seen, again after every loss of the connection."""

    port: int
    cookie: str
    job_id: str
    again_s: float = 1.0
    seen: int = 0
    gaps: int = 0
    losses: int = 0
    refusals: list[int] = field(default_factory=list)
    connected_at: float = 0.0
    delays_s: list[tuple[float, float]] = field(default_factory=list)  # when an event came, and how old it was then
    on_event: Callable[[dict[str, object]], None] = lambda _event: None

    async def follow(self) -> None:
        """Until cancelled, refused, or the job's end."""
        while True:
            connection = Connection(self.port, self.cookie)
            try:
                if await self._stream(connection):
                    return
            except (OSError, EOFError):
                self.losses += 1
            finally:
                connection.close()
            await asyncio.sleep(self.again_s)

    async def _stream(self, connection: Connection) -> bool:
        """Whether it ended for good."""
        headers = {"Last_Event_ID": str(self.seen)} if self.seen else {}
        reader = await connection.send("GET", f"/api/jobs/{self.job_id}/events", Accept="text/event-stream", **headers)
        status, _ = await connection.head(reader)
        if status != 200:
            self.refusals.append(status)
            return True
        self.connected_at = time.monotonic()
        held = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            held += (await reader.readexactly(size + 2))[:-2]
            *events, held = held.split(b"\n\n")
            for event in events:
                if self._take(event):
                    return True
        self.losses += 1
        return False

    def _take(self, event: bytes) -> bool:
        came = time.time()
        fields = dict(line.partition(b": ")[::2] for line in event.split(b"\n"))
        if b"id" not in fields:
            return False
        number = int(fields[b"id"])
        self.gaps += number != self.seen + 1
        self.seen = number
        data = json.loads(fields[b"data"])
        self.delays_s.append((came, came - data["at"]))
        self.on_event(data)
        return data["kind"] == "state" and data["state"] in ("succeeded", "failed", "cancelled")


@dataclass
class Outcome:
    """What an open loop of requests met; ``latencies_s`` count from the moment at which a request was due."""

    latencies_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    lost: int = 0
    share: float = 0.0  # of a core, that the API used

    def answered(self, status: int) -> int:
        """How many answers had this status or a higher one."""
        return sum(count for found, count in self.statuses.items() if found >= status)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


async def open_loop(
    port: int,
    cookie: str,
    requests: Sequence[Request],
    rate: float,
    warm_up_s: float,
    take: Callable[[Request, Answer], None] = lambda _request, _answer: None,
) -> Outcome:
    """Send ``requests`` at ``rate`` a second, whether or not those before were answered; the first ``warm_up_s`` not counted."""
    outcome, idle = Outcome(), [Connection(port, cookie) for _ in range(8)]
    began = time.perf_counter()

    async def one(number: int, request: Request) -> None:
        due = began + number / rate
        connection = idle.pop() if idle else Connection(port, cookie)
        try:
            answer = await connection.request(request.method, request.path, request.body, **dict(request.headers))
        except (OSError, EOFError):
            outcome.lost += 1
            connection.close()
            return
        idle.append(connection)
        if due - began >= warm_up_s:
            outcome.latencies_s.append(time.perf_counter() - due)
        outcome.statuses[answer.status] = outcome.statuses.get(answer.status, 0) + 1
        take(request, answer)

    tasks = []
    for number, request in enumerate(requests):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one(number, request)))
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    return outcome
