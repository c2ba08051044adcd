"""Looks at a Run a few times a second and tells a page what changed; thread-safe, and knows nothing of widgets."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ndlab.errors import NdlabError, RunFailed
from ndlab.explore import facts as words
from ndlab.explore.preview import Preview
from ndlab.explore.recorded import Reader
from ndlab.explore.wire import Facts, Failures, Phase, Status, pack_states, pack_tick
from ndlab.pipeline import Event, Look, Run, current_client

__all__ = ["Send", "Watch"]

Send = Callable[[Mapping[str, Any], Sequence[bytes]], None]

_TICK_SECONDS = 0.25
_RATE_SECONDS = 20.0
# How often the record of a Run in another process is read.
_ELSEWHERE_SECONDS = 2.0
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
    run : Run
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

    def __init__(self, run: Run, send: Send, preview: Preview | None = None, code: str | None = None) -> None:
        self.run, self.preview = run, preview
        self.on_phase: Callable[[Status], None] = lambda status: None
        self._send, self._code = send, code
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._pump: threading.Thread | None = None
        self._sent = np.zeros(0, np.uint8)
        self._unread: deque[int] = deque()
        self._pace = _Pace()
        self._reader = Reader(run)
        self._elsewhere: str | None = None
        self._started = self._stopping = False
        self._error: str | None = None
        self._phase: Phase = "ready"
        run.subscribe(self._hear)

    # --- what the page asks -----------------------------------------------------------------------------------

    def receive(self, message: Mapping[str, Any]) -> None:
        """Act on a message of the page; one that nobody knows is ignored."""
        act = {"hello": self.hello, "start": self.start, "stop": self.stop, "failures": self.failures}
        act.get(str(message.get("t")), lambda: None)()

    def hello(self) -> None:
        """Tell a page that has just opened everything."""
        with self._lock:
            look = self._look()
            self._sent = look.blocks.copy()
            self._send({"t": "states", "status": self._status(look)}, [pack_states(look.blocks)])
            self._note_readable(np.zeros_like(look.blocks), look.blocks)
        self._ensure_pump()

    def start(self) -> None:
        """Start the Run, or take it up where it ended."""
        with self._lock:
            self._look()
            if self._elsewhere is not None or self.run.state.phase == "running" or self._alive():
                self._ensure_pump()
                return
            self._error, self._stopping, self._started = None, False, True
            self.run.start()
        self._ensure_pump(begun=True)  # Even one that has ended by now has a word to say.

    def stop(self) -> None:
        """Have the Run end after the blocks under way."""
        self._stopping = True
        self.run.stop()
        self._wake.set()

    def failures(self) -> None:
        """Send the first failed blocks with their tracebacks."""
        failed = self._look().failed
        shown = [{"key": key, "error": error} for key, error in list(failed.items())[:_MOST_FAILURES]]
        message: Failures = {"t": "failures", "failures": shown, "more": len(failed) - len(shown)}  # type: ignore[typeddict-item]
        self._send(message, [])

    # --- what there is to say ---------------------------------------------------------------------------------

    @property
    def facts(self) -> Facts:
        """What does not change while the Run runs."""
        run = self.run
        voxel_size = next((size for volume in words.volumes(run) if (size := words.calibrated(volume))), None)
        return {
            "v": 1,
            "step": run.step.name,
            "total": len(run),
            "inputs": words.pairs(words.inputs_of(run.step)),
            "params": words.params_of(run),
            "output": words.output_address(run),
            "estimate": words.costs_of(run),
            "grid": words.grid_facts(run, voxel_size),
            "preview": None if self.preview is None else self.preview.facts,
            "code": self._code,
            "resumable": self._reader.path is not None,
        }

    @property
    def status(self) -> Status:
        """How far the Run is."""
        return self._status(self._look())

    def _look(self) -> Look:
        """Return the Run as it is; one that was not begun here, as its record shows it."""
        look = self.run.state
        self._elsewhere = None
        if look.phase != "waiting" or self._alive() or self._error is not None:
            return look
        found = self._reader.read()
        if found is None:
            return look
        self._elsewhere = found.process
        return found.look

    def _status(self, look: Look) -> Status:
        at, phase = look.progress, self._phase_of(look)
        rate = self._pace.rate(at.done - at.skipped) if phase in ("running", "stopping") else None
        if phase == "elsewhere":
            rate = self._pace.rate(at.done)
        left = at.total - at.done - at.failed
        receipt = self.run.receipt
        return {
            "phase": phase,
            "done": at.done,
            "failed": at.failed,
            "running": len(look.running),
            "skipped": 0 if phase == "elsewhere" else at.skipped,
            "retried": 0 if receipt is None else receipt.retried,
            "seconds": round(at.seconds, 2) if look.phase != "waiting" else 0.0,
            "rate": rate,
            "left": left / rate if rate else None,
            "where": self._where(look),
            "dashboard": getattr(_client(self.run), "dashboard_link", None) or None,
            "message": self._error or "\n".join(look.notes) or None,
        }

    def _where(self, look: Look) -> str:
        if self._elsewhere is not None:
            return f"process {self._elsewhere}"
        receipt = self.run.receipt
        return _where(self.run) if receipt is None or look.phase == "running" else receipt.runner

    def _phase_of(self, look: Look) -> Phase:
        if self._elsewhere is not None:
            return "elsewhere"
        # What has done its blocks still has a record to close: it has ended once its thread has.
        if look.phase == "running" or self._alive():
            return "stopping" if self._stopping else "running"
        if self._error is not None:
            return "failed"
        return _PHASES[look.phase]

    # --- keeping it said --------------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        # Called by the thread that runs the blocks: leave everything else to the pump.
        if event.kind == "started":
            self._pace.reset()
            self._ensure_pump(begun=True)
        elif event.kind == "finished":
            self._wake.set()

    def _alive(self) -> bool:
        """Whether a Run that this watch started still runs; notes why it ended otherwise."""
        if not self._started:
            return False
        try:
            ended = self.run.wait(0) is not None
        except RunFailed as error:
            ended = True
            if not error.failed and not error.stopped:
                self._error = str(error)
        except NdlabError as error:
            ended, self._error = True, str(error)
        except Exception as error:
            ended, self._error = True, f"{type(error).__name__}: {error}"
        return not ended

    def _ensure_pump(self, *, begun: bool = False) -> None:
        with self._lock:
            if self._pump is None and (begun or self._under_way()):
                self._pump = threading.Thread(target=self._tell_until_ended, name="ndlab-widget", daemon=True)
                self._pump.start()

    def _under_way(self) -> bool:
        return self._alive() or self.run.state.phase == "running" or self._elsewhere is not None

    def _tell_until_ended(self) -> None:
        while not self._tell_or_end():
            self._read_preview(_PREVIEW_SHARE * _TICK_SECONDS)
            self._wake.wait(_TICK_SECONDS if self._elsewhere is None else _ELSEWHERE_SECONDS)
            self._wake.clear()
        self._read_preview(float("inf"))

    def _tell_or_end(self) -> bool:
        """Tell what changed; return whether that was the last there is to tell."""
        with self._lock:  # Who starts the Run again meanwhile finds either this pump at work or none.
            self._look()
            over = not self._under_way()
            if over:
                self._stopping, self._pump = False, None
            self.tell()
            return over

    def tell(self) -> None:
        """Send what changed since the last time."""
        with self._lock:
            look = self._look()
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
        first = slice(0, len(self.run.blocks))
        new = np.isin(after[first], _DONE) & ~np.isin(before[first], _DONE)
        blocks = self.run.blocks
        self._unread.extend(n for n in np.flatnonzero(new).tolist() if self.preview.shows(blocks[n]))

    def _read_preview(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self.preview is not None and time.monotonic() < end:
            try:
                block = self.run.blocks[self._unread.popleft()]
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


def _client(run: Run) -> Any:
    """Return the Dask client that the blocks go to, None for threads."""
    if run.client is None and run.workers is None:
        return current_client()
    return run.client or None


def _where(run: Run) -> str:
    if _client(run) is not None:
        return "Dask"
    threads = run.workers or os.cpu_count() or 1
    return f"{threads} thread{'s' if threads > 1 else ''}"
