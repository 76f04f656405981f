"""One method, one seed after the other, in one process: ``python -m unlabelled.commands.compare.worker``.

Starting Python with Lightning takes longer than most tests do. A seed that fails does not stop the next one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from unlabelled.commands.compare.plan import FROZEN, Method, Plan
from unlabelled.commands.compare.results import Result, load, read_scores

_FIT = "fit"


@dataclass(frozen=True)
class Run:
    """A method with a seed, and the folder for all that it leaves.

    Args:
        plan: What to do.
        method: With whom.
        seed: Of data order, weights and everything else.
        folder: Where; TensorBoard logs in a folder for ``fit`` and for each protocol, ``result.json``.
    """

    plan: Plan
    method: Method
    seed: int
    folder: Path

    @property
    def checkpoint(self) -> Path:
        """What ``fit`` leaves."""
        return self.folder / _FIT / "checkpoints" / "last.ckpt"

    def complete(self) -> Result:
        """Do what is not done yet."""
        fingerprint = self.plan.fingerprint(self.method)
        if (done := load(self.folder, fingerprint)) is not None:
            return done
        fit_seconds = self._fit() if self.method.trains else 0.0
        started = time.monotonic()
        scores = {name: self._test(name) for name in (FROZEN, *self.method.own_protocols)}
        seconds = time.monotonic() - started
        result = Result(fingerprint, self.method.modalities, scores, fit_seconds, seconds)
        result.write(self.folder)
        return result

    def _fit(self) -> float:
        """Train, unless that was finished; return how long it took."""
        note, fingerprint = self.folder / "fit.json", self.plan.fit_fingerprint(self.method)
        if note.is_file() and self.checkpoint.is_file():
            done = json.loads(note.read_text(encoding="utf-8"))
            if done["fingerprint"] == fingerprint:
                return float(done["seconds"])
        started = time.monotonic()
        self._call("fit", _FIT, self.plan.fit_options(self.method))
        seconds = time.monotonic() - started
        note.write_text(json.dumps({"fingerprint": fingerprint, "seconds": seconds}) + "\n", encoding="utf-8")
        return seconds

    def _test(self, protocol: str) -> dict[str, float]:
        options = self._frozen() if protocol == FROZEN else self._own(protocol)
        self._call("test", protocol, options)
        return read_scores(self.folder / protocol)

    def _frozen(self) -> list[str]:
        path = self.folder / f"{FROZEN}.yaml"
        path.write_text(yaml.safe_dump(self.plan.frozen(self.method), sort_keys=False), encoding="utf-8")
        options = [f"--config={self.plan.folder / 'setting.yaml'}", f"--config={path}"]
        if self.method.trains:
            options.append(f"--model.init_args.encoder_checkpoint={self.checkpoint}")
        return options

    def _own(self, protocol: str) -> list[str]:
        options = self.plan.fit_options(self.method) + self.plan.own_options(protocol)
        return [*options, f"--ckpt_path={self.checkpoint}"]

    def _call(self, command: str, log: str, options: Sequence[str]) -> None:
        shutil.rmtree(self.folder / log, ignore_errors=True)  # of a run that was interrupted
        (self.folder / log).mkdir(parents=True)
        arguments = [
            command,
            *options,
            f"--seed_everything={self.seed}",
            f"--trainer.default_root_dir={self.folder}",
            f"--trainer.logger.init_args.save_dir={self.folder}",
            f"--trainer.logger.init_args.version={log}",
        ]
        print(f"+ python cli.py {' '.join(arguments)}", flush=True)
        if (code := _cli(arguments)) != 0:
            raise RuntimeError(f"{command} ended with code {code}")


def _cli(arguments: list[str]) -> int:
    code: int = importlib.import_module("cli").main(arguments)
    return code


def run_folder(out: Path, method: str, seed: int) -> Path:
    """Return where a run leaves everything."""
    return out / method / f"seed{seed}"


def run_folders(out: Path, method: str) -> dict[int, Path]:
    """Return the folders of a method's runs that are there, by seed, in order."""
    seeds = [path.name.removeprefix("seed") for path in (out / method).glob("seed*")]
    return {seed: run_folder(out, method, seed) for seed in sorted(map(int, filter(str.isdigit, seeds)))}


def main(argv: Sequence[str]) -> int:
    """Complete the runs of a method; return 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m unlabelled.commands.compare.worker")
    for name in ("configs", "out", "method"):
        parser.add_argument(name)
    parser.add_argument("seeds", nargs="+", type=int)
    options = parser.parse_args(argv)
    plan = Plan(Path(options.configs))
    method, out = plan.method(options.method), Path(options.out)
    runs = [Run(plan, method, seed, run_folder(out, method.name, seed)) for seed in options.seeds]
    return 1 if sum(not _succeeds(run) for run in runs) else 0


def _succeeds(run: Run) -> bool:
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        run.complete()
    except (Exception, SystemExit):  # the command line exits when a configuration is wrong
        traceback.print_exc()
        print(f"{run.method.name}, seed {run.seed}: failed", file=sys.stderr, flush=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
