"""Probe many files in worker processes, so that a crash or a hang in native code affects one file only."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import unlabelled
from unlabelled.data.media.probe import Probe, probe
from unlabelled.data.media.reader import DecodeError
from unlabelled.data.media.streams import UNDECODABLE

# An intact file takes milliseconds on a local disk, and may take seconds over the network.
TIMEOUT_SECONDS = 60.0
_READY = "ready"


def probe_many(
    paths: Iterable[str],
    needs_video: bool,
    needs_audio: bool,
    min_duration: float,
    num_workers: int,
    timeout: float = TIMEOUT_SECONDS,
    backend: str = "",
) -> Iterator[tuple[str, Probe]]:
    """Yield ``(path, Probe)`` for all paths, in the order in which they are completed.

    A file that crashes the process, or takes longer than ``timeout`` seconds, is ``undecodable``. If a
    backend is named, its frames of each usable file are compared with those of PyAV.

    Raises:
        RuntimeError: The worker processes cannot be started; the message has their output.
    """
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    count = 0
    for path in paths:
        todo.put(path)
        count += 1
    done: queue.SimpleQueue[tuple[str, Probe] | BaseException] = queue.SimpleQueue()
    job = json.dumps([needs_video, needs_audio, min_duration])
    workers = [_Worker(todo, done, job, timeout, backend) for _ in range(max(1, min(num_workers, count)))]
    try:
        for worker in workers if count else []:
            worker.thread.start()
        for _ in range(count):
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """A thread that passes paths to one process, and replaces the process if it ends."""

    def __init__(
        self,
        todo: queue.SimpleQueue[str],
        done: queue.SimpleQueue[tuple[str, Probe] | BaseException],
        job: str,
        timeout: float,
        backend: str,
    ) -> None:
        self.todo, self.done, self.job, self.timeout, self.backend = todo, done, job, timeout, backend
        self.stopped = threading.Event()
        self.process: subprocess.Popen[str] | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def stop(self) -> None:
        self.stopped.set()
        self._end_process()

    def _end_process(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()

    def _run(self) -> None:
        try:
            while not self.stopped.is_set():
                path = self.todo.get_nowait()
                self.done.put((path, self._probe(path)))
        except queue.Empty:
            self._end_process()
        except Exception as error:  # raised by the thread that waits for results
            if not self.stopped.is_set():
                self.done.put(error)

    def _probe(self, path: str) -> Probe:
        answer = self._request(path)
        if not answer:
            return Probe(0.0, UNDECODABLE, detail="it crashes its decoder, or decoding does not end")
        result = Probe(*json.loads(answer))
        if not self.backend or result.reason is not None:
            return result
        answer = self._request([self.backend, path, result.start + result.duration])
        return result._replace(backend=json.loads(answer) if answer else "crashes")

    def _request(self, question: str | list[Any]) -> str:
        """Return the line that the process answers; empty: it has ended, perhaps killed after the timeout."""
        process = self.process = self.process or _start_process(self.job)
        answer = self._answer(process, json.dumps(question))
        if not answer:
            self._end_process()
        return answer

    def _answer(self, process: subprocess.Popen[str], line: str) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        alarm = threading.Timer(self.timeout, process.kill)
        alarm.start()
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            return process.stdout.readline()
        except OSError:
            return ""
        finally:
            alarm.cancel()


def _start_process(job: str) -> subprocess.Popen[str]:
    package_parent = str(Path(unlabelled.__file__).resolve().parent.parent)
    search = os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "unlabelled.data.media.probe_pool", job],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "PYTHONPATH": search},
        )
        assert process.stdout is not None
        if process.stdout.readline().strip() != _READY:
            process.kill()
            process.wait()
            errors.seek(0)
            raise RuntimeError(f"cannot start a process that probes files: {errors.read()[-2000:]}")
        return process


def _serve(job: str) -> None:
    """Read one question per line from standard input, and print its answer.

    A path is answered by the values of its `Probe`; a backend, a path and a duration by that of `prove`.
    """
    needs_video, needs_audio, min_duration = json.loads(job)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of native code must not be mixed with the answers
    print(_READY, file=answers, flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        if isinstance(question, str):
            result: object = probe(question, needs_video, needs_audio, min_duration)
        else:
            result = _prove(*question)
        print(json.dumps(result), file=answers, flush=True)


def _prove(backend: str, path: str, duration: float) -> str:
    from unlabelled.data.media.backends import prove  # only readers with a backend require it

    try:
        return prove(backend, path, duration)
    except DecodeError as error:
        return error.reason


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        _serve(sys.argv[1])
