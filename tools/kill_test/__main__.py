"""Kill small runs of the demos, resume them, and compare them with uninterrupted ones.

Run ``make kill-test``, or a part: ``python -m tools.kill_test --demos sce --kills 2 --places pass``. Runs are
killed at random times, half of them a second time after they were resumed, and at chosen places. All is as
shipped (processes that read, callbacks, schedules) but the number of samples and of epochs; ``--readers``
changes the processes that read, too, and the runs are compared with those as shipped. Results are kept in
``DIR/results.jsonl``, so that a test which was interrupted goes on where it stopped; with ``--write FILE``
the tables of a page are renewed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tools.kill_test.comparison import differences
from tools.kill_test.places import PLACES
from tools.kill_test.readers import READERS, SHIPPED, Readers
from tools.kill_test.runs import Ended, demos, encoders_of, options, prepare, run
from tools.kill_test.table import write_table
from unlabelled.environment import commit
from unlabelled.seeding import numpy_generator

_CODES = {"SIGTERM": 143, "SIGINT": 130}


class Test(NamedTuple):
    """One run that is killed.

    Args:
        demo: The demo.
        label: A place, or ``random`` with a number.
        readers: The processes that read.
    """

    demo: str
    label: str
    readers: Readers = SHIPPED

    @property
    def name(self) -> str:
        """Name of the run."""
        return "_".join(self.parts())

    def parts(self) -> tuple[str, ...]:
        """Return what the name consists of; the random times are drawn for it, too."""
        return (self.demo, self.label, *([] if self.readers == SHIPPED else [self.readers.name]))

    def row(self) -> dict[str, Any]:
        """Return what identifies the test in a file of results."""
        return {"demo": self.demo, "label": self.label, **self.readers._asdict()}

    @classmethod
    def of(cls, row: dict[str, Any]) -> Test:
        """Return the test of a row of results."""
        return cls(row["demo"], row["label"], Readers.of(row))


class KillTest:
    """Runs of the demos, killed and resumed.

    Args:
        out: Folder of data, runs, logs and results.
        epochs: Epochs of each run.
    """

    def __init__(self, out: Path, epochs: int) -> None:
        self.out, self.epochs = out, epochs
        self.durations: dict[str, float] = {}

    def reference(self, demo: str) -> Path:
        """Return the folder of the uninterrupted run; make the run if there is none."""
        folder = self.out / "runs" / f"{demo}_whole"
        kept = self.out / "runs" / f"{demo}_whole.seconds"
        if not kept.is_file():
            if first := encoders_of(demo):
                self.reference(first)
            prepare(demo, self.out, self.epochs)
            shutil.rmtree(folder, ignore_errors=True)  # of a test that was interrupted
            test = Test(demo, "whole")
            ended = self._run(test)
            self._expect(ended.code, 0, test.name)
            kept.write_text(str(ended.seconds))
        self.durations[demo] = float(kept.read_text())
        return folder

    def test(self, test: Test) -> dict[str, Any] | None:
        """Kill, resume and compare one run; None: it ended before it was killed."""
        demo, label, name = test.demo, test.label, test.name
        whole = self.reference(demo)
        prepare(demo, self.out, self.epochs)
        shutil.rmtree(self.out / "runs" / name, ignore_errors=True)
        started, killed = time.monotonic(), []
        if label in PLACES:
            last = torch.load(whole / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
            place = [
                "--trainer.callbacks+=tools.kill_test.places.KillAt",
                f"--trainer.callbacks.place={label}",
                f"--trainer.callbacks.step={last // 2}",  # within the second of three epochs
            ]
            self._expect(self._run(test, *place).code, _CODES.get(label), name)
            killed.append(self._step(name))
        else:
            rng = numpy_generator("kill test", *test.parts())
            for number in range(1 + int(rng.integers(2))):
                after = float(rng.uniform(0.1, 0.9)) * self.durations[demo]
                resumed = ["--ckpt_path=last"] if number else []
                if self._run(test, *resumed, kill_after=after).code is None:
                    killed.append(self._step(name))
            if not killed:
                return None
        self._expect(self._run(test, "--ckpt_path=last").code, 0, name)
        found = differences(whole, self.out / "runs" / name)
        return {
            **test.row(),
            "killed_after_step": killed,
            "equal": not found,
            "differing": found[:10],
            "seconds": round(time.monotonic() - started),
            "commit": commit(),
        }

    def _run(self, test: Test, *more: str, kill_after: float | None = None) -> Ended:
        small = options(test.demo, self.out, self.epochs)
        arguments = [*small, f"--run={test.name}", *test.readers.options(), *more]
        log = self.out / "logs" / f"{test.name}.log"
        return run(arguments, log, kill_after, test.readers.prepare)

    def _expect(self, code: int | None, wanted: int | None, name: str) -> None:
        if code != wanted:
            raise RuntimeError(f"{name}: exit code {code}, not {wanted}; see {self.out / 'logs' / name}.log")

    def _step(self, name: str) -> int:
        """Return the step of the checkpoint that a killed run left, 0 if there is none."""
        path = self.out / "runs" / name / "checkpoints" / "last.ckpt"
        return int(torch.load(path, weights_only=True)["global_step"]) if path.is_file() else 0


def tests(names: list[str], kills: int, places: list[str], readers: list[Readers]) -> list[Test]:
    """Return all tests, the first of each demo before the second of any."""
    labels = [*places, *(f"random{number}" for number in range(kills))]
    return [Test(name, label, each) for label in labels for each in readers for name in names]


def results_of(file: Path) -> list[dict[str, Any]]:
    """Return the results that a file has, also those that another process has added."""
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.is_file() else []


def main() -> int:
    """Run what is not yet in the results; return 1 if any run differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--demos", nargs="*", default=demos())
    parser.add_argument("--kills", type=int, default=20, help="kills at random times, per demo")
    parser.add_argument("--places", nargs="*", default=list(PLACES), choices=PLACES)
    parser.add_argument(
        "--readers",
        nargs="*",
        default=["shipped"],
        choices=["shipped", *READERS],
        help="number of processes that read, and how they are started; renewed: other ones in each epoch",
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/kill_test"))
    parser.add_argument("--write", type=Path, help="page whose table is renewed")
    parser.add_argument("--results", type=Path, help="file of the results; by default OUT/results.jsonl")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and end the run
    torch.set_num_threads(1)  # threads of OpenMP do not outlive a fork
    results = arguments.results or arguments.out / "results.jsonl"
    kill_test = KillTest(arguments.out, arguments.epochs)
    known = {Test.of(each) for each in results_of(results)}
    readers = [READERS.get(name, SHIPPED) for name in arguments.readers]
    for test in tests(arguments.demos, arguments.kills, arguments.places, readers):
        if test in known or (test.label == "pass" and not _has_passes(test.demo)):
            continue
        try:
            result = kill_test.test(test)
        except RuntimeError as error:
            result = {**test.row(), "equal": False, "differing": [str(error)], "commit": commit()}
        if result is None:
            print(f"{test.name}: it ended before it was killed, and does not count", flush=True)
            continue
        results.parent.mkdir(parents=True, exist_ok=True)
        with results.open("a") as file:
            file.write(json.dumps(result) + "\n")
        print(json.dumps(result), flush=True)
    if arguments.write is not None:
        write_table(arguments.write, results_of(results))
    return int(not all(each["equal"] for each in results_of(results)))


def _has_passes(demo: str) -> bool:
    return "ClusteringPass" in Path(f"configs/demo/{demo}.yaml").read_text("utf-8")


if __name__ == "__main__":
    sys.exit(main())
