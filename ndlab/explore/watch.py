"""Looks at a Run a few times a second and tells a page what changed; thread-safe, and knows nothing of widgets."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ndlab.explore import facts as words
from ndlab.explore.preview import Preview
from ndlab.explore.subject import Here, Subject
from ndlab.explore.wire import Facts, Failures, Phase, Status, pack_states, pack_tick
from ndlab.pipeline import Event, Look, Run

__all__ = ["Send", "Watch"]

Send = Callable[[Mapping[str, Any], Sequence[bytes]], None]

_TICK_SECONDS = 0.25
_RATE_SECONDS = 20.0
# How often the record of a Run in another process is read.
_ELSEWHERE_SECONDS = 0.5
_MOST_FAILURES = 50
# Reading the preview may take this share of the time between two looks: the Run comes first.
_PREVIEW_SHARE = 0.2
_PHASES: dict[str, Phase] = {"waiting": "ready", "done": "done", "failed": "failed", "stopped": "stopped"}
# The engine's states of a block that is done, before or now.
_DONE = (1, 3)


class Watch:
    """Keeps a page informed of a Run, and does what its buttons say.

    Parameters
    ----------
    run : Run or Subject
    send : callable
        ``send(message, buffers)`` brings a message of `ndlab.explore.wire` to the page.
    preview : Preview, optional
    code : str, optional
        What takes the Run up again in another kernel.

    Attributes
    ----------
    on_phase : callable
        Called with the `Status` when the phase changes.
    """

    def __init__(self, run: Run | Subject, send: Send, preview: Preview | None = None, code: str | None = None) -> None:
        self.subject = Here(run) if isinstance(run, Run) else run
        self.preview = preview
        self.on_phase: Callable[[Status], None] = lambda status: None
        self._send, self._code = send, code
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._pump: threading.Thread | None = None
        self._sent = np.zeros(0, np.uint8)
        self._unread: deque[int] = deque()
        self._pace = _Pace()
        self._stopping = False
        self._phase: Phase = "ready"
        self.subject.subscribe(self._hear)

    # --- what the page asks -----------------------------------------------------------------------------------

    def receive(self, message: Mapping[str, Any]) -> None:
        """Act on a message of the page; one that nobody knows is ignored."""
        act = {"hello": self.hello, "start": self.start, "stop": self.stop, "failures": self.failures}
        act.get(str(message.get("t")), lambda: None)()

    def hello(self) -> None:
        """Tell a page that has just opened everything."""
        with self._lock:
            look = self.subject.look()
            self._sent = look.blocks.copy()
            self._send({"t": "states", "status": self._status(look)}, [pack_states(look.blocks)])
            self._note_readable(np.zeros_like(look.blocks), look.blocks)
        self._ensure_pump(begun=bool(self._unread))  # The picture of what has ended is to be read, too.

    def start(self) -> None:
        """Start the Run, or take it up where it ended."""
        with self._lock:
            if self._under_way(self.subject.look()):
                self._ensure_pump()
                return
            self._stopping = False
            self.subject.start()
        self._ensure_pump(begun=True)  # Even one that has ended by now has a word to say.

    def stop(self) -> None:
        """Have the Run end after the blocks under way."""
        self._stopping = True
        self.subject.stop()
        self._wake.set()

    def failures(self) -> None:
        """Send the first failed blocks with their tracebacks."""
        failed = self.subject.look().failed
        shown = [{"key": key, "error": error} for key, error in list(failed.items())[:_MOST_FAILURES]]
        message: Failures = {"t": "failures", "failures": shown, "more": len(failed) - len(shown)}  # type: ignore[typeddict-item]
        self._send(message, [])

    # --- what there is to say ---------------------------------------------------------------------------------

    @property
    def facts(self) -> Facts:
        """What does not change while the Run runs."""
        found = self.subject.facts
        found["preview"], found["code"] = None if self.preview is None else self.preview.facts, self._code
        return found

    @property
    def status(self) -> Status:
        """How far the Run is."""
        return self._status(self.subject.look())

    def _status(self, look: Look) -> Status:
        subject, at = self.subject, look.progress
        going, phase = self._under_way(look), self._phase_of(look)
        rate = self._pace.rate(at.done - at.skipped) if phase in ("running", "stopping") else None
        if phase == "elsewhere":
            rate = self._pace.rate(at.done)
        left = at.total - at.done - at.failed
        return {
            "phase": phase,
            "done": at.done,
            "failed": at.failed,
            "running": len(look.running),
            "skipped": 0 if phase == "elsewhere" else at.skipped,
            "retried": at.retried,
            "seconds": round(at.seconds, 2) if look.phase != "waiting" or phase == "elsewhere" else 0.0,
            "rate": rate,
            "left": left / rate if rate else None,
            "where": subject.where,
            "dashboard": subject.dashboard,
            "message": subject.error or "\n".join(look.notes) or (None if going or phase == "done" else subject.hint),
            "receipt": None if going else words.receipt_text(subject.receipt),
        }

    def _phase_of(self, look: Look) -> Phase:
        if self.subject.process is not None:
            return "elsewhere"
        # What has done its blocks still has a record to close: it has ended once its thread has.
        if self._under_way(look):
            return "stopping" if self._stopping else "running"
        if self.subject.error is not None:
            return "failed"
        return _PHASES[look.phase]

    def _under_way(self, look: Look) -> bool:
        return look.phase == "running" or self.subject.alive() or self.subject.process is not None

    # --- keeping it said --------------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        # Called by the thread that runs the blocks: leave everything else to the pump.
        if event.kind == "started":
            self._pace.reset()
            self._ensure_pump(begun=True)
        elif event.kind == "finished":
            self._wake.set()

    def _ensure_pump(self, *, begun: bool = False) -> None:
        with self._lock:
            if self._pump is None and (begun or self._under_way(self.subject.look())):
                self._pump = threading.Thread(target=self._tell_until_ended, name="ndlab-widget", daemon=True)
                self._pump.start()

    def _tell_until_ended(self) -> None:
        while not self._tell_or_end():
            self._read_preview(_PREVIEW_SHARE * _TICK_SECONDS)
            self._wake.wait(_TICK_SECONDS if self.subject.process is None else _ELSEWHERE_SECONDS)
            self._wake.clear()
        self._read_preview(float("inf"))

    def _tell_or_end(self) -> bool:
        """Tell what changed; return whether that was the last there is to tell."""
        with self._lock:  # Who starts the Run again meanwhile finds either this pump at work or none.
            over = not self._under_way(self.subject.look())
            if over:
                self._stopping, self._pump = False, None
            self.tell()
            return over

    def tell(self) -> None:
        """Send what changed since the last time."""
        with self._lock:
            look = self.subject.look()
            status = self._status(look)
            if len(self._sent) != len(look.blocks):
                self._send({"t": "states", "status": status}, [pack_states(look.blocks)])
                before = np.zeros_like(look.blocks)
            else:
                before = self._sent
                self._send({"t": "tick", "status": status}, pack_tick(before, look.blocks))
            self._note_readable(before, look.blocks)
            self._sent = look.blocks.copy()
        if status["phase"] != self._phase:
            self._phase = status["phase"]
            self.on_phase(status)

    def _note_readable(self, before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> None:
        if self.preview is None:
            return
        # The preview shows the first time point and channel.
        first = slice(0, len(self.subject.blocks))
        new = np.isin(after[first], _DONE) & ~np.isin(before[first], _DONE)
        blocks = self.subject.blocks
        self._unread.extend(n for n in np.flatnonzero(new).tolist() if self.preview.shows(blocks[n]))

    def _read_preview(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self.preview is not None and time.monotonic() < end:
            try:
                block = self.subject.blocks[self._unread.popleft()]
            except IndexError:
                return
            for piece in self.preview.pieces([block]):
                h, w = piece.pixels.shape[:2]
                self._send({"t": "patch", "y": piece.y, "x": piece.x, "h": h, "w": w}, [piece.pixels.tobytes()])


class _Pace:
    """Blocks per second over the last seconds, not since the start: clusters grow and shrink."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def rate(self, done: int) -> float | None:
        now = time.monotonic()
        if done < self._seen[-1][1]:
            self.reset()
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] > _RATE_SECONDS:
            self._seen.popleft()
        then, before = self._seen[0]
        return (done - before) / (now - then) if done > before and now > then else None
