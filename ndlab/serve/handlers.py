"""What every handler shares, and the routes of the viewer: hello, info, tiles, play.

Each mistake is answered with its status and `{asked, exists, remedy}`, as JSON or, for who asks for text, as text. Work
is done in threads, never on the loop.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from tornado import iostream, web  # noqa: TID253 - imported only by what serves

from ndlab.errors import BadRequest, NdlabError, NotFound
from ndlab.serve.statuses import Busy, WrongMethod, status_of, told
from ndlab.serve.streaming import Cancel, Pump

__all__ = [
    "FRAMES",
    "HELLO",
    "Answering",
    "Threads",
    "Tiles",
    "ViewHandler",
    "as_text",
    "break_off",
    "query_of",
    "view_routes",
]

FRAMES = "application/x-ndlab-frames"
HELLO = {"v": 1, "stream": True, "codecs": ["raw", "jpeg", "palette", "rows"]}

_UNKNOWN = web.RequestHandler._unimplemented_method
_log = logging.getLogger("ndlab.serve")
Result = TypeVar("Result")


class Tiles(Protocol):
    """What the routes of the viewer ask for; `ndlab.serve.tiles.TileService` is one."""

    def info(self, id: str) -> Mapping[str, Any]:  # noqa: A002 - the name on the wire
        """Facts of a volume."""
        ...

    def tiles(self, query: Mapping[str, str], cancelled: Callable[[], bool]) -> Iterator[bytes]:
        """Frames of the tiles asked for."""
        ...

    def play(self, query: Mapping[str, str], cancelled: Callable[[], bool]) -> Iterator[bytes]:
        """Frames of one plane after the other."""
        ...


@dataclass
class Threads:
    """The threads of one server: some for answers, others for streams, which may last.

    Parameters
    ----------
    most_streams : int
        Streams at once; one more is told to come back.
    workers : int
        Answers at once; others wait.
    """

    most_streams: int = 32
    workers: int = 8
    streaming: int = 0
    work: ThreadPoolExecutor = field(init=False)
    streams: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self.work = ThreadPoolExecutor(self.workers, "ndlab-answer")
        self.streams = ThreadPoolExecutor(self.most_streams, "ndlab-stream")

    async def run(self, function: Callable[..., Result], *args: Any) -> Result:
        """Call a function in a thread and wait for its result."""
        return await asyncio.get_running_loop().run_in_executor(self.work, partial(function, *args))

    def close(self) -> None:
        """Let the threads end; what waits is dropped."""
        self.work.shutdown(wait=False, cancel_futures=True)
        self.streams.shutdown(wait=False, cancel_futures=True)


class Answering(web.RequestHandler):
    """A handler whose mistakes are told in words; `hidden` maps addresses to the names that may be shown."""

    hidden: Mapping[str, str] = {}

    def set_default_headers(self) -> None:
        """Say nothing of the software, and let no browser guess a type."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer a mistake."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, NdlabError):
            self.fail(error)
        elif status_code == 405:
            self.fail(self.wrong_method())
        elif isinstance(error, web.HTTPError):
            self.say(status_code, {"asked": error.log_message or http.client.responses.get(status_code, "this request"),
                                   "exists": "", "remedy": ""})  # fmt: skip
        else:
            self.say(status_code, told(error or RuntimeError()))

    @property
    def taken_methods(self) -> tuple[str, ...]:
        """Methods that the address takes."""
        known = (name for name in self.SUPPORTED_METHODS if name != "OPTIONS")
        return tuple(name for name in known if getattr(type(self), name.lower()) is not _UNKNOWN)

    def wrong_method(self) -> WrongMethod:
        """Return what is said of a method that the address does not take."""
        taken = ", ".join(self.taken_methods)
        asked = f"{(self.request.method or '')[:20]} of {self.request.path[:200]}"
        return WrongMethod(asked, f"it takes {taken}", "use one of them; /v1/ lists the routes")

    def fail(self, error: BaseException) -> None:
        """Answer with the words and the status of a mistake."""
        status = status_of(error)
        if status == 500:
            _log.error("%s %s failed", self.request.method, self.request.path, exc_info=error)
        if isinstance(error, Busy):
            self.set_header("Retry-After", str(max(1, round(error.facts.get("seconds", 1)))))
        if status == 405:
            self.set_header("Allow", ", ".join(self.taken_methods))
        self.say(status, told(error, self.hidden))

    def say(self, status: int, words: Mapping[str, str]) -> None:
        """Answer with a status and the three parts of a mistake."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        if as_text(self.request.headers.get("Accept", "")):
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish("\n".join(text for text in words.values() if text) + "\n")
        else:
            self.set_header("Content-Type", "application/json")
            self.finish(json.dumps({"status": status, **words}))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log what is no mistake of the client."""
        if not isinstance(value, NdlabError):
            super().log_exception(typ, value, tb)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer a mistake with its own status; where the answer has begun, break it off."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if self._headers_written:
            break_off(self)
        elif isinstance(error, NdlabError):
            self.clear()
            self.fail(error)
        else:
            super().send_error(status_code, **kwargs)


def break_off(handler: web.RequestHandler) -> None:
    """Close the connection in the middle of an answer, so that nobody takes the part for the whole."""
    stream: iostream.IOStream | None = getattr(handler.request.connection, "stream", None)
    if stream is not None:
        stream.close()


def as_text(accept: str) -> bool:
    """Tell whether a client would rather read text than JSON.

    Examples
    --------
    >>> as_text("text/html,application/xml;q=0.9,*/*;q=0.8"), as_text("*/*"), as_text("application/json, text/plain")
    (True, False, False)
    """
    return accept.lstrip().startswith("text/")


def query_of(handler: web.RequestHandler) -> dict[str, str]:
    """Return the query of a request as a flat mapping; of a name given twice the last value counts."""
    return {name: handler.get_query_argument(name) for name in handler.request.query_arguments}


class Streaming(Answering):
    """A handler that passes an iterator of bytes on as it comes, no faster than the client reads."""

    threads: Threads

    @property
    def most_streams(self) -> int:
        """Streams of the server at which this request would be one too many."""
        return self.threads.most_streams

    async def stream(self, source: Callable[[Cancel], Iterator[bytes]], content_type: str) -> None:
        """Stream what ``source(cancel)`` yields; the client's closing sets `cancel`."""
        most = self.most_streams
        if self.threads.streaming >= most:
            raise Busy(f"stream number {self.threads.streaming + 1}", f"{most} are served at once",
                       "ask again in a second", seconds=1)  # fmt: skip
        self._cancel = cancel = Cancel()
        self.set_header("Content-Type", content_type)
        self.set_header("Cache-Control", "no-store")
        # Proxies that hold answers back would turn a stream into a stall.
        self.set_header("X-Accel-Buffering", "no")
        if self.request.method == "HEAD":
            await self._check_source(source, cancel)
            return
        self.threads.streaming += 1
        try:
            await Pump(partial(source, cancel), cancel).run(self.threads.streams, self._pass_on)
        except iostream.StreamClosedError:
            return
        finally:
            self.threads.streaming -= 1
        self.finish()

    async def _check_source(self, source: Callable[[Cancel], Iterator[bytes]], cancel: Cancel) -> None:
        """Say only whether there would be a stream: what is wrong with a request shows before its first part."""
        parts = await self.threads.run(source, cancel)
        close = getattr(parts, "close", None)
        if close is not None:
            close()
        await self.flush()  # else the answer says that it is 0 bytes long
        self.finish()

    async def _pass_on(self, part: bytes) -> None:
        self.write(part)
        await self.flush()

    def on_connection_close(self) -> None:
        """Tell the thread that nobody waits any more."""
        cancel: Cancel | None = getattr(self, "_cancel", None)
        if cancel is not None:
            cancel.set()


class ViewHandler(Streaming):
    """Hello, info, tiles and play of one tile service."""

    def initialize(self, service: Tiles, threads: Threads) -> None:
        """Take the service and the threads that work for it."""
        self.service, self.threads = service, threads

    async def get(self, op: str) -> None:
        """Answer one operation."""
        await self.answer(self.service, op)

    async def answer(self, service: Tiles, op: str) -> None:
        """Answer one operation of a service."""
        if op == "hello":
            self.answer_json(HELLO)
        elif op == "info":
            await self._info(service)
        else:
            query = query_of(self)
            work = service.tiles if op == "tiles" else service.play
            await self.stream(lambda cancel: work(query, cancel), FRAMES)

    async def _info(self, service: Tiles) -> None:
        volume = self.get_query_argument("vol", None)
        if volume is None:
            raise BadRequest("info without vol", "it says which volume is meant", "ask for info?vol=NAME")
        facts = await self.threads.run(service.info, volume)
        self.answer_json(facts)

    def answer_json(self, facts: Mapping[str, Any]) -> Awaitable[None]:
        """Answer with a JSON object that is asked for anew each time, unchanged or not."""
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-cache")
        return self.finish(json.dumps(facts))


def view_routes(prefix: str, service: Tiles, threads: Threads) -> list[Any]:
    """Return the routes of the viewer below a prefix."""
    return [(rf"{prefix}/(hello|info|tiles|play)", ViewHandler, {"service": service, "threads": threads})]


class Nowhere(Answering):
    """Answers what no route answers."""

    async def prepare(self) -> None:
        """Say that nothing is here."""
        raise NotFound(f"{self.request.path[:200]} was asked for", "nothing is at that address",
                       "the routes are listed at /v1/")  # fmt: skip
