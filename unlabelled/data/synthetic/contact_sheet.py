"""A figure of the classes of a generated data set: frames and spectrograms of clips."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TIMES = (0.3, 1.0, 1.7)  # seconds of the frames in the figure
_SPAN = 2.0  # seconds of audio in the figure
_TINTS = ("#b5541c", "#1f5fa8", "#3b7a3b", "#7a3b78")  # of the families, in turn


def contact_sheet(root: str, path: str, clips_per_class: int = 4) -> None:
    """Draw some clips of each class of a data set into a PNG file.

    A row is a class; those of a family follow one another. A clip has three frames, 0.7 s apart, and below
    them the spectrogram of two seconds of audio, 80 Hz to 7 kHz on a logarithmic axis.

    Args:
        root: Folder of a data set in the layout of :mod:`~.clip_folder`.
        path: The PNG file to write.
        clips_per_class: Clips in each row, training clips first; 1 or more.

    Raises:
        ValueError: ``clips_per_class`` is below 1, or a class has fewer clips.
    """
    from matplotlib.figure import Figure  # imported here, since the import is slow

    if clips_per_class < 1:
        raise ValueError(f"clips_per_class {clips_per_class} must be 1 or more")
    classes = _read_classes(Path(root))
    families = list(dict.fromkeys(family for _, family in classes))
    height = 1.32 * len(classes) + 0.1 * len(families)
    figure = Figure(figsize=(1.5 + 2.75 * clips_per_class, height), dpi=100)
    for row, (label, family) in enumerate(classes):
        number = families.index(family)
        top = height - 0.08 - 1.32 * row - 0.1 * number  # families are separated by a gap
        _write_label(figure, top, label, family, _TINTS[number % len(_TINTS)])
        _draw_clips(figure, top, _clip_paths(Path(root), label, clips_per_class))
    figure.savefig(path)


def _read_classes(root: Path) -> list[tuple[str, str]]:
    """Return label and family of each class, one family after the other."""
    with (root / "classes.csv").open(newline="", encoding="utf-8") as file:
        classes = [(row["label"], row["parent"]) for row in csv.DictReader(file)]
    families = list(dict.fromkeys(family for _, family in classes))
    return sorted(classes, key=lambda each: families.index(each[1]))


def _clip_paths(root: Path, label: str, count: int) -> list[Path]:
    with (root / "vggsound.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row[2] == label]
    rows.sort(key=lambda row: row[3] != "train")
    if len(rows) < count:
        raise ValueError(
            f"{root / 'vggsound.csv'}: {len(rows)} clips of {label!r}, but clips_per_class is {count}"
        )
    return [root / "video" / f"{row[0]}_{int(row[1]):06d}.mp4" for row in rows[:count]]


def _write_label(figure: Figure, top: float, label: str, family: str, tint: str) -> None:
    width, height = figure.get_size_inches()
    figure.text(0.12 / width, (top - 0.5) / height, label, size=11, weight="bold", color=tint)
    figure.text(0.12 / width, (top - 0.7) / height, f"family: {family}", size=9, color="#555555")


def _draw_clips(figure: Figure, top: float, paths: list[Path]) -> None:
    """Draw one row of clips."""
    width, height = figure.get_size_inches()
    for column, path in enumerate(paths):
        frames, waveform, rate = read_clip(path, _TIMES)
        left = 1.5 + 2.75 * column
        strip = np.concatenate([_edge(frame) for frame in frames], axis=1)
        shape = (left / width, (top - 0.68) / height, 2.65 / width, 0.66 / height)
        figure.add_axes(shape, xticks=[], yticks=[]).imshow(strip, aspect="auto")
        shape = (left / width, (top - 1.22) / height, 2.65 / width, 0.52 / height)
        spectrogram = log_spectrogram(waveform[: int(_SPAN * rate)], rate)
        axes = figure.add_axes(shape, xticks=[], yticks=[])
        axes.imshow(spectrogram, origin="lower", aspect="auto", cmap="magma", vmin=-50, vmax=0)


def _edge(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a frame with a thin white line at both sides."""
    return np.pad(frame[:, 2:-2], ((0, 0), (2, 2), (0, 0)), constant_values=255)


def read_clip(
    path: Path, times: tuple[float, ...]
) -> tuple[list[npt.NDArray[np.uint8]], npt.NDArray[np.float32], int]:
    """Return frames ``(height, width, 3)``, the waveform ``(samples,)`` and its sample rate."""
    with av.open(str(path)) as container:
        decoded = [(frame.time, frame) for frame in container.decode(video=0)]
        displayed = [
            max((f for f in decoded if f[0] <= time), key=lambda f: f[0], default=decoded[0])
            for time in times
        ]
        frames = [frame.to_ndarray(format="rgb24") for _, frame in displayed]
    with av.open(str(path)) as container:
        rate = int(container.streams.audio[0].rate)
        blocks = [frame.to_ndarray().mean(axis=0) for frame in container.decode(audio=0)]
    return frames, np.concatenate(blocks).astype(np.float32), rate


def log_spectrogram(waveform: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float32]:
    """Return decibels below the maximum ``(64 frequencies, time)``, 80 Hz to 7 kHz, in steps of 10 ms."""
    window, step = int(0.046 * rate), int(0.01 * rate)
    slices = np.lib.stride_tricks.sliding_window_view(waveform, window)[::step]
    power = np.abs(np.fft.rfft(slices * np.hanning(window), 4096)) ** 2
    edges = np.geomspace(80, 7000, 65) / rate * 4096
    low = edges[:-1].astype(int)
    high = np.maximum(edges[1:].astype(int), low + 1)
    bands = np.stack([power[:, a:b].mean(axis=1) for a, b in zip(low, high, strict=True)])
    level: npt.NDArray[np.float32] = (10 * np.log10(bands / max(float(bands.max()), 1e-12) + 1e-9)).astype(
        np.float32
    )
    return level
