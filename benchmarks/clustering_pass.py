"""Compare the cost of a clustering pass over the data with one over the features of the training steps.

    python benchmarks/clustering_pass.py [--epochs 30]

Trains the demo with both, and prints the seconds per pass, their share of the training time, and the final
NMI. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "configs" / "demo" / "selavi.yaml"


def main() -> None:
    """Train with both passes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    epochs = parser.parse_args().epochs
    print(f"{'pass':<12}{'passes':>8}{'s / pass':>10}{'share':>8}{'run s':>8}{'NMI':>8}")
    for title, name in (("fresh", "ClusteringPass"), ("remembered", "RememberedClusteringPass")):
        with tempfile.TemporaryDirectory() as folder:
            seconds = train(Path(folder), name, epochs)
            report(title, Path(folder), seconds)


def train(folder: Path, name: str, epochs: int) -> float:
    """Run ``fit`` with the given clustering pass; return its wall time in seconds."""
    overlay = folder / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"trainer": {"callbacks": callbacks(name)}}))
    command = [sys.executable, "cli.py", "fit", f"--config={DEMO}", f"--config={overlay}"]
    command += [f"--trainer.max_epochs={epochs}", f"--trainer.check_val_every_n_epoch={epochs}"]
    command += [f"--trainer.default_root_dir={folder}", "--trainer.enable_progress_bar=false"]
    started = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.monotonic() - started


def callbacks(name: str) -> list[dict[str, Any]]:
    """Return the demo's callbacks with another clustering pass."""
    listed: list[dict[str, Any]] = yaml.safe_load(DEMO.read_text())["trainer"]["callbacks"]
    for callback in listed:
        if callback["class_path"] == "callbacks.ClusteringPass":
            callback["class_path"] = f"callbacks.{name}"
    return [callback for callback in listed if not callback["class_path"].endswith("ClusterFigures")]


def report(title: str, folder: Path, seconds: float) -> None:
    """Print one row from the run's log."""
    events = EventAccumulator(str(next(folder.glob("*/fit"))))
    events.Reload()
    passes = [event.value for event in events.Scalars("cluster/seconds")]
    share = events.Scalars("cluster/time_share")[-1].value
    nmi = events.Scalars("val/nmi")[-1].value
    median = statistics.median(passes[1:] or passes)  # the first pass of both reads the data
    print(f"{title:<12}{len(passes):>8}{median:>10.3f}{share:>8.1%}{seconds:>8.0f}{nmi:>8.3f}")


if __name__ == "__main__":
    main()
