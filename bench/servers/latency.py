"""A file server on 127.0.0.1 that answers each request some time after it came: the distance to a bucket, at home.

HTTP/1.1 with kept connections, GET and HEAD, byte ranges and entity tags; all requests wait side by side. It counts
what it serves: `/-/counts` answers with JSON and starts again from zero. Prints its port, then serves until its
standard input closes, which is when whoever started it ends.

    python bench/servers/latency.py FOLDER MILLISECONDS
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from stat import S_ISREG
from urllib.parse import unquote


class Counts:
    def __init__(self) -> None:
        self.requests = self.nbytes = self.in_flight = self.most_in_flight = 0

    def taken(self) -> bytes:
        found = json.dumps({"requests": self.requests, "bytes": self.nbytes, "most_in_flight": self.most_in_flight})
        self.__init__()  # type: ignore[misc]
        return found.encode()


class Connection(asyncio.Protocol):
    def __init__(self, root: Path, delay: float, counts: Counts) -> None:
        self.root, self.delay, self.counts = root, delay, counts
        self.buffer = b""
        self.transport: asyncio.Transport | None = None
        # Answers leave in the order of their requests, also when several were sent ahead on one connection.
        self.last: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            self.last = asyncio.get_running_loop().create_task(self.answer(head.decode("latin-1"), self.last))

    async def answer(self, head: str, before: asyncio.Task[None] | None) -> None:
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if target == "/-/counts":
            self.send("200 OK", self.counts.taken())
            return
        counts = self.counts
        counts.requests += 1
        counts.in_flight += 1
        counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
        await asyncio.sleep(self.delay)
        if before is not None:
            await before
        counts.in_flight -= 1
        self.serve(method, unquote(target.partition("?")[0]), headers)

    def serve(self, method: str, target: str, headers: dict[str, str]) -> None:
        try:
            handle = os.open(self.root / target.lstrip("/"), os.O_RDONLY)
        except OSError:
            self.send("404 Not Found", b"")
            return
        try:
            stat = os.fstat(handle)
            if not S_ISREG(stat.st_mode):
                self.send("404 Not Found", b"")
                return
            tag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
            if headers.get("if-none-match") == tag:
                self.send("304 Not Modified", b"", f"ETag: {tag}\r\n")
                return
            start, stop, partial = span(headers.get("range"), stat.st_size)
            body = os.pread(handle, stop - start, start) if method == "GET" else b""
        finally:
            os.close(handle)
        more = f"ETag: {tag}\r\nAccept-Ranges: bytes\r\n"
        if partial:
            more += f"Content-Range: bytes {start}-{stop - 1}/{stat.st_size}\r\n"
        self.counts.nbytes += len(body)
        self.send("206 Partial Content" if partial else "200 OK", body, more, stop - start)

    def send(self, status: str, body: bytes, more: str = "", length: int | None = None) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        size = len(body) if length is None else length
        self.transport.write(f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{more}\r\n".encode())
        if body:
            self.transport.write(body)


def span(asked: str | None, size: int) -> tuple[int, int, bool]:
    """First byte, byte after the last, and whether it is a part, of `bytes=a-b`, `bytes=a-` or `bytes=-n`."""
    if not asked or not asked.startswith("bytes=") or "," in asked:
        return 0, size, False
    first, _, last = asked.removeprefix("bytes=").partition("-")
    if not first:
        return max(0, size - int(last)), size, True
    return int(first), min(size, int(last) + 1 if last else size), True


async def main(root: str, milliseconds: str) -> None:
    counts = Counts()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(Path(root), float(milliseconds) / 1e3, counts), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
