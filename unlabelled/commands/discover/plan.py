"""Plan of a run: its method, its length, and the options of ``cli.py fit`` and ``predict``."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from unlabelled.commands.discover.contents import Contents, Kind
from unlabelled.commands.discover.speed import Speed
from unlabelled.commands.errors.suggestions import hint
from unlabelled.environment import experiment_root

ROOT = experiment_root(Path(__file__).resolve().parents[2])
RUN = "discover"
FEWEST_STEPS = 200
"""Smallest number of steps that a run is planned for."""
_LONG = 20.0  # files of more seconds are divided into clips
LONG_CLIP = 10.0
"""Seconds of the clips that long files are divided into."""
_VALIDATIONS = 4
_SAFETY = 1.3  # from the estimate to the time that is promised
_FILES: dict[Kind, float] = {"audio files": 1.0, "images": 0.2}  # a video is decoded and encoded: 2
_FREER = 3  # times as many steps as at present are planned where a machine is busy; TimeLeft stops the rest


@dataclass(frozen=True)
class Method:
    """A method for a kind of files.

    Args:
        config: Its configuration, relative to the root of the package.
        data: The overlay of own files.
        steps: Steps of its demo.
        batch_size: Batch size of its demo.
        passes: Passes over the training set besides the epochs.
        clusters: Whether its heads predict clusters; else k-means of its features makes them.
    """

    config: str
    data: str
    steps: int = 2250
    batch_size: int = 16
    passes: int = 0
    clusters: bool = True


_VIDEO, _AUDIO = "configs/data/videos.yaml", "configs/data/sounds.yaml"
METHODS: dict[Kind, dict[str, Method]] = {
    "videos": {"selavi": Method("configs/demo/selavi.yaml", _VIDEO, passes=40)},
    "videos without audio": {"sela": Method("configs/demo/sela.yaml", _VIDEO, passes=20)},
    "audio files": {"sela_audio": Method("configs/demo/sela_audio.yaml", _AUDIO, passes=20)},
    "images": {
        "sce": Method("configs/demo/sce.yaml", "configs/data/images.yaml", 2500, 64, clusters=False),
        "moco": Method("configs/demo/moco.yaml", "configs/data/images.yaml", 2500, 64, clusters=False),
        "ressl": Method("configs/demo/ressl.yaml", "configs/data/images.yaml", 2500, 64, clusters=False),
    },
}
"""Methods by kind of files, the one that is taken first: the best of the comparison in docs/results.md."""
METHODS["videos"] |= METHODS["videos without audio"]


@dataclass(frozen=True)
class Plan:
    """A run that is planned.

    Args:
        name: Name of the method.
        method: The method.
        contents: The files.
        clusters: Number of clusters of the method.
        epochs: Epochs of the training, for some of which there is no time if the machine remains busy.
        seconds: The time that everything is promised to take.
        fit_seconds: The part of it in which the training must end.
        seconds_after: The part of it after the training, as estimated.
        epoch_seconds: The time of an epoch with its part of passes and validations, as estimated.
    """

    name: str
    method: Method
    contents: Contents
    clusters: int
    epochs: int
    seconds: float
    fit_seconds: float
    seconds_after: float
    epoch_seconds: float

    @property
    def batch_size(self) -> int:
        """The batch size of the demo; less for a few files."""
        return _batch_size(self.method, self.contents)

    def options(self, out: Path) -> list[str]:
        """Return the options that ``fit`` and ``predict`` have in common, for the output folder ``out``."""
        options = [
            f"--config={config_path(self.method.config)}",
            f"--config={config_path(self.method.data)}",
            f"--data.init_args.root={self.contents.folder}",
            f"--data.init_args.batch_size={self.batch_size}",
            f"--trainer.default_root_dir={out / 'runs'}",
            f"--run={RUN}",
        ]
        if self.contents.allow_outside:
            options.append("--data.init_args.allow_outside=true")
        if is_long(self.contents):
            options.append(f"--data.init_args.segment_seconds={LONG_CLIP:g}")
        if self.method.clusters:
            options.append(f"--model.init_args.num_clusters={self.clusters}")
        return options

    def fit_options(self, out: Path) -> list[str]:
        """Return the options of ``cli.py fit``."""
        return [
            *self.options(out),
            f"--trainer.max_epochs={self.epochs}",
            f"--trainer.check_val_every_n_epoch={max(1, self.epochs // _VALIDATIONS)}",
            f"--trainer.max_time={_days(self.fit_seconds)}",
            "--trainer.callbacks+=callbacks.TimeLeft",
            f"--trainer.callbacks.seconds_after={self.seconds_after:.0f}",
            f"--trainer.callbacks.seconds_per_epoch={max(self.epoch_seconds, 1e-3):.3g}",
        ]

    def predict_options(self, out: Path) -> list[str]:
        """Return the options of ``cli.py predict``."""
        options = [*self.options(out), "--ckpt_path=last"]
        if "callbacks.ClusterPredictions" not in (ROOT / self.method.config).read_text("utf-8"):
            options.append("--trainer.callbacks+=callbacks.ClusterPredictions")
            if not self.method.clusters:  # K of k-means
                options.append(f"--trainer.callbacks.num_clusters={self.clusters}")
        return [*options, "--trainer.callbacks+=callbacks.ExportFeatures"]


def make_plan(
    contents: Contents,
    speed: Speed,
    name: str | None = None,
    clusters: int | None = None,
    minutes: float | None = None,
) -> Plan:
    """Choose the method, the clusters and the number of epochs.

    Args:
        contents: The files.
        speed: How fast the machine is.
        name: The method; None: the first one of :data:`METHODS`.
        clusters: Number of clusters; None: 10, or less for few files.
        minutes: The time for everything; None: what the steps of the demo take.

    Raises:
        ValueError: There is no such method for these files, or the time is too short.
    """
    methods = METHODS[contents.kind]
    name = name or next(iter(methods))
    if name not in methods:
        raise ValueError(
            f"--method {name}: {contents.kind} have {', '.join(methods)}{hint(name, list(methods))}"
        )
    method = methods[name]
    trained = _num_trained(contents)
    per_epoch = max(1, trained // _batch_size(method, contents))
    around = _around(method, contents, speed)
    epochs = math.ceil(method.steps / per_epoch)
    expected = epochs
    if minutes is not None:
        seconds = 60 * minutes / _SAFETY
        expected = math.floor((seconds - around) / (per_epoch * speed.step))
        if expected * per_epoch < FEWEST_STEPS:
            needed = _SAFETY * (around + (FEWEST_STEPS + per_epoch) * speed.step) / 60
            raise ValueError(f"--minutes {minutes:g} is too short here: {needed:.1f} are needed at least")
        expected = min(expected, 4 * epochs)  # longer runs overfit
        epochs = min(math.floor(expected * min(max(speed.slowdown, 1.0), _FREER)), 4 * epochs)
    seconds = around + expected * per_epoch * speed.step
    promised = 60 * minutes if minutes is not None else _SAFETY * seconds
    after = speed.start + contents.count * speed.sample + _after(contents, speed)
    fit_seconds = promised - speed.start - after
    clusters = clusters or default_clusters(contents.count)
    epoch_seconds = (seconds - 2 * speed.start - _after(contents, speed)) / expected
    return Plan(name, method, contents, clusters, epochs, promised, fit_seconds, after, epoch_seconds)


def _num_trained(contents: Contents) -> int:
    """Return about the number of training samples: four fifths of the files, perhaps divided."""
    clips = contents.count
    if is_long(contents):
        clips = sum(max(1, int(duration // LONG_CLIP)) for duration in contents.durations)
    return max(1, clips * 4 // 5)


def _batch_size(method: Method, contents: Contents) -> int:
    return max(2, min(method.batch_size, _num_trained(contents) // 2))


def _around(method: Method, contents: Contents, speed: Speed) -> float:
    """Return the seconds of everything but steps."""
    passes = method.passes + _VALIDATIONS + 1
    return 2 * speed.start + passes * _num_trained(contents) * speed.sample + _after(contents, speed)


def _after(contents: Contents, speed: Speed) -> float:
    """Return the seconds of the first decoding, the previews and the tree."""
    return contents.count * speed.file * _FILES.get(contents.kind, 2.0) + 10


def is_long(contents: Contents) -> bool:
    """Return whether the files are divided into clips."""
    return contents.median_duration > _LONG


def default_clusters(count: int) -> int:
    """Return the number of clusters for a number of samples, where none is given."""
    return min(10, max(2, count // 6))


def config_path(name: str) -> str:
    """Return the path of a configuration, relative if the current folder is the root."""
    return name if Path.cwd() == ROOT else os.fspath(ROOT / name)


def _days(seconds: float) -> str:
    """Return a time as Lightning reads it.

    >>> _days(3725.4)
    '00:01:02:06'
    """
    whole = math.ceil(seconds)
    return f"{whole // 86400:02}:{whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}"
