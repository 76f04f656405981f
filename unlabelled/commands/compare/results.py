"""The result of a run, and its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from unlabelled.data.media.storage import read_record, write_atomically

_STAGE = "test/"

Results = Mapping[str, Mapping[int, "Result"]]
"""Results by the name of the method and by seed."""


@dataclass(frozen=True)
class Result:
    """The scores of one method with one seed.

    Args:
        fingerprint: The hash of the configurations.
        modalities: The modalities of the method's encoders.
        scores: By protocol, the scores that its test logged, without ``test/``.
        fit_seconds: The duration of ``fit``; 0 without training.
        test_seconds: The duration of all tests.
    """

    fingerprint: str
    modalities: list[str]
    scores: dict[str, dict[str, float]]
    fit_seconds: float
    test_seconds: float

    def score(self, protocol: str, name: str, source: str | None = None) -> float | None:
        """Return a score, or ``None`` if there is none.

        Args:
            protocol: The protocol.
            name: The name of the score without a modality.
            source: A modality or ``both``; None: the score has no modality. Callbacks omit the modality in
                the name of a score if there is only one.

        >>> scores = {"frozen": {"knn_accuracy_video": 0.5, "knn_accuracy_audio": 0.4}}
        >>> result = Result("hash", ["video", "audio"], scores, fit_seconds=9.0, test_seconds=1.0)
        >>> result.score("frozen", "knn_accuracy", "audio")
        0.4
        """
        scores = self.scores.get(protocol, {})
        if source is None or self.modalities == [source]:
            return scores.get(name, scores.get(f"{name}_{source}"))
        return scores.get(f"{name}_{source}")

    def write(self, folder: Path) -> None:
        """Write the result to the folder of a run, atomically."""
        text = json.dumps(asdict(self), indent=1) + "\n"
        write_atomically(str(_path(folder)), lambda file: file.write(text.encode()))


def load(folder: Path, fingerprint: str) -> Result | None:
    """Return the result in the folder of a run; None if there is none, or one of other configurations."""
    try:
        result = Result(**(read_record(_path(folder)) or {}))
    except TypeError:
        return None
    return result if result.fingerprint == fingerprint else None


def read_scores(folder: Path) -> dict[str, float]:
    """Return the last value of each scalar that a test logged to TensorBoard, by name without ``test/``.

    Raises:
        ValueError: There is no scalar of a test.
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
