"""What one run of a method came to, as files keep it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from unlabelled.data.media.storage import write_atomically

_STAGE = "test/"

Scores = Mapping[str, float]


@dataclass(frozen=True)
class Result:
    """The scores of one method with one seed.

    Args:
        fingerprint: Of the configurations that it is a result of.
        modalities: What the method has encoders of.
        scores: By protocol the scores that its test logged, without ``test/``.
        fit_seconds: What ``fit`` took; 0 for what does not train.
        test_seconds: What all tests took.
    """

    fingerprint: str
    modalities: list[str]
    scores: dict[str, dict[str, float]]
    fit_seconds: float
    test_seconds: float

    def score(self, protocol: str, name: str, source: str | None = None) -> float | None:
        """Return a score, of one modality or of ``both``; None if there is no such thing.

        Callbacks leave the modality's name away where there is but one.
        """
        scores = self.scores.get(protocol, {})
        if source is None or self.modalities == [source]:
            return scores.get(name, scores.get(f"{name}_{source}"))
        return scores.get(f"{name}_{source}")

    def write(self, folder: Path) -> None:
        """Leave the result in a run's folder, whole or not at all."""
        text = json.dumps(asdict(self), indent=1) + "\n"
        write_atomically(str(_path(folder)), lambda file: file.write(text.encode()))


def load(folder: Path, fingerprint: str) -> Result | None:
    """Return the result in a run's folder; None if there is none, or one of other configurations."""
    try:
        result = Result(**json.loads(_path(folder).read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None
    return result if result.fingerprint == fingerprint else None


def read_scores(folder: Path) -> dict[str, float]:
    """Return the last value of everything that a test logged to TensorBoard, by its name without ``test/``.

    Raises:
        ValueError: It logged nothing.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 1})
    events.Reload()
    names = [name for name in events.Tags()["scalars"] if name.startswith(_STAGE)]
    if not names:
        raise ValueError(f"the test that wrote to {str(folder)!r} has logged no {_STAGE}... score")
    return {name.removeprefix(_STAGE): float(events.Scalars(name)[-1].value) for name in names}


def _path(folder: Path) -> Path:
    return folder / "result.json"
