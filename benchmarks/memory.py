"""Measure whether memory grows: of a loader over thousands of samples, and of a training over many epochs.

    python benchmarks/memory.py [--root data/embedded] [--samples 5000] [--epochs 50] [--plot docs/memory.png]

The loader reads decoded copies in two processes, as that of the SeLaVi demo does. The training is the shipped
demo with few clips, in a folder of temporary files. Memory is the proportional set size (PSS) of the process
and all that it has started, at which shared pages count once. The slope is that of a line through the last
four fifths of the values, since the first samples fill caches.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import matplotlib.pyplot as plt
import numpy as np
from lightning import Callback, LightningModule, Trainer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

import cli
from datamodules import VGGSound
from tools.kill_test.runs import options
from unlabelled.data.media import CachedReader, PyAVReader
from unlabelled.pipelines import AudioVisualPipeline
from unlabelled.transforms import LogMel

_CHECKS = 100  # values of the loader
_FILLED = 0.2  # share of the values before the line begins
Values = list[tuple[float, float]]
"""Number of samples or epochs, and memory in MiB."""


def main() -> None:
    """Print the slopes and draw the values."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default="data/embedded", help="folder of clips in VGG-Sound's layout")
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--plot", default="memory.png")
    chosen = parser.parse_args()
    parts = {
        "sample": of_loader(chosen.root, chosen.samples),
        "epoch": of_training(chosen.epochs),
    }
    figure, axes = plt.subplots(1, len(parts), figsize=(9, 3), layout="constrained")
    for axis, (unit, values) in zip(axes, parts.items(), strict=True):
        line = slope(values)
        first, last = values[int(_FILLED * len(values))], values[-1]
        text = f"{1024 * line:+.2f} KiB per {unit}"
        print(f"{text}; {first[1]:.0f} MiB after {first[0]:g}, {last[1]:.0f} MiB after {last[0]:g}")
        axis.plot(*zip(*values, strict=True))
        axis.set(xlabel=f"{unit}s", ylabel="memory / MiB", title=text, ylim=(0, None))
    figure.savefig(chosen.plot, dpi=110)
    print(f"written to {chosen.plot}")


def of_loader(root: str, samples: int) -> Values:
    """Return the memory while a number of samples is read, over as many epochs as it takes."""
    audio = LogMel(sample_rate=16000, num_filters=64, num_frames=99)
    pipeline = AudioVisualPipeline(
        8, 5.0, crop=40, train_short_side=(44, 48), eval_short_side=44, audio=audio
    )
    reader = CachedReader(PyAVReader(), short_side=48, sample_rate=audio.sample_rate)
    data = VGGSound(root, pipeline=pipeline, reader=reader, batch_size=16, num_workers=2)
    data.setup("fit")
    loader, values, done, epoch = data.train_dataloader(), Values(), 0, 0
    sampler: Any = loader.sampler
    while done < samples:
        sampler.set_epoch(epoch)
        for batch in loader:
            done += len(batch["index"])
            if done >= (len(values) + 1) * samples / _CHECKS:
                values.append((done, memory()))
        epoch += 1
    return values


def of_training(epochs: int) -> Values:
    """Return the memory after each epoch of the demo."""
    recorder = f"{Path(__file__).stem}.RecordMemory"
    with tempfile.TemporaryDirectory() as folder:
        arguments = [*options("selavi", Path(folder), epochs), "--trainer.check_val_every_n_epoch=10"]
        code = cli.main(["fit", *arguments, f"--trainer.callbacks+={recorder}"])
    if code:
        raise SystemExit(code)
    recorded: Values = sys.modules[Path(__file__).stem].RecordMemory.values  # imported by this name
    return recorded


class RecordMemory(Callback):
    """Record the memory after each epoch."""

    values: ClassVar[Values] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record it."""
        self.values.append((trainer.current_epoch + 1, memory()))


def slope(values: Values) -> float:
    """Return the slope of the last values in MiB per sample or epoch."""
    x, y = np.array(values[int(_FILLED * len(values)) :]).T
    return float(np.polyfit(x, y, 1)[0])


def memory(process: str = "self") -> float:
    """Return the memory of a process and of those that it has started, in MiB (Linux)."""
    folder = Path("/proc", process)
    try:
        lines = (folder / "smaps_rollup").read_text().splitlines()
        started = [each for path in folder.glob("task/*/children") for each in path.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return 0.0
    own = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))
    return own + sum(map(memory, started))


if __name__ == "__main__":
    main()
