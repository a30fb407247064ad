"""How parent and child talk: a frame is a JSON header and some byte strings, lengths first. Nothing is ever unpickled."""

import json
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

LENGTH = struct.Struct("!I")
MAX_HEADER = 1 << 20
MAX_BLOBS = 1 << 29

Header = dict[str, Any]
Blob = bytes | memoryview


class Channel:
    """One end of the pair of sockets. Not thread-safe: one conversation at a time."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def send(self, header: Header, blobs: Sequence[Blob] = (), timeout_s: float | None = None) -> None:
        """Send one frame.

        Raises:
            TimeoutError: the other side does not read.
            OSError: the other side is gone.
        """
        encoded = json.dumps({**header, "blobs": [memoryview(blob).nbytes for blob in blobs]}).encode()
        self._socket.settimeout(timeout_s)
        self._socket.sendall(LENGTH.pack(len(encoded)) + encoded)
        for blob in blobs:
            self._socket.sendall(blob)

    def receive(self, timeout_s: float | None = None) -> tuple[Header, list[bytes]]:
        """Receive one frame, all of it within ``timeout_s`` seconds.

        Raises:
            TimeoutError: it did not arrive in time.
            EOFError: the other side closed the channel.
            ValueError: the frame is larger than any that is ever sent.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        (length,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
        if length > MAX_HEADER:
            raise ValueError(f"a header of {length} bytes exceeds {MAX_HEADER}")
        header: Header = json.loads(self._read(length, deadline))
        sizes: list[int] = header.pop("blobs")
        if sum(sizes) > MAX_BLOBS:
            raise ValueError(f"{sum(sizes)} bytes in one frame exceed {MAX_BLOBS}")
        return header, [bytes(self._read(size, deadline)) for size in sizes]

    def close(self) -> None:
        self._socket.close()

    def _read(self, n: int, deadline: float | None) -> bytearray:
        buffer = bytearray(n)
        view, filled = memoryview(buffer), 0
        while filled < n:
            # A timeout of 0 would mean "do not block", which raises another error.
            self._socket.settimeout(None if deadline is None else max(deadline - time.monotonic(), 1e-3))
            received = self._socket.recv_into(view[filled:])
            if received == 0:
                raise EOFError("the other side closed the channel")
            filled += received
        return buffer
