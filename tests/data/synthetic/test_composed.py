"""Composed sets: the files are what the tables say; classes do not follow from nuisances."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from unlabelled.data.synthetic.composed import DigitsSet, PatternsSet, write_composed
from unlabelled.data.synthetic.composed.base import ComposedSet, FloatArray
from unlabelled.data.synthetic.composed.clip import ComposedJob, write_composed_clip
from unlabelled.data.synthetic.composed.video import Placement, Sprite, box, place, render

SETS = [DigitsSet(), PatternsSet()]


@pytest.fixture(scope="module", params=SETS, ids=lambda source: source.name)
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ComposedSet, Path]:
    root = tmp_path_factory.mktemp(request.param.name) / "data"
    write_composed(
        str(root), request.param, seed=3, train_per_class=2, test_per_class=1, num_workers=0, progress=False
    )
    return request.param, root


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_layout_is_vggsounds(written: tuple[ComposedSet, Path]) -> None:
    source, root = written
    listed = rows(root / "vggsound.csv")
    assert Counter((label, split) for _, _, label, split in listed) == {
        (each.label, split): n for each in source.classes for split, n in (("train", 2), ("test", 1))
    }
    files = {f"{name}_{int(start):06d}.mp4" for name, start, _, _ in listed}
    assert files == {path.name for path in (root / "video").iterdir()}
    assert [row[:2] for row in rows(root / "classes.csv")[1:]] == [
        [each.label, each.parent] for each in source.classes
    ]
    assert len({each.parent for each in source.classes}) > 1
    assert {name for name, *_ in rows(root / "captions.csv")[1:]} == {name for name, *_ in listed}


def test_files_are_within_the_style(written: tuple[ComposedSet, Path]) -> None:
    source, root = written
    for path in (root / "video").iterdir():
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.width, video.height) in source.style.sizes
            assert video.average_rate in source.style.frame_rates
            assert audio.rate in source.style.sample_rates
            assert audio.channels in source.style.channels
            frames = sum(1 for _ in container.decode(video=0))
        low, high = source.style.seconds
        assert low - 0.1 <= frames / float(video.average_rate) <= high + 0.1
        with av.open(str(path)) as container:
            audio = np.concatenate([frame.to_ndarray().mean(0) for frame in container.decode(audio=0)])
        assert 0.1 < np.abs(audio).max() <= 1.1
        assert np.isfinite(audio).all()


def test_same_bytes_from_the_same_seed_in_any_process(
    written: tuple[ComposedSet, Path], tmp_path: Path
) -> None:
    source, root = written
    arguments = {"train_per_class": 2, "test_per_class": 1, "progress": False}
    write_composed(str(tmp_path), source, seed=3, num_workers=2, **arguments)

    def digests(folder: Path) -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.*4")}

    assert digests(tmp_path) == digests(root)
    write_composed(str(tmp_path), source, seed=4, num_workers=2, **arguments)
    assert not set(digests(tmp_path).values()) & set(digests(root).values())


@pytest.mark.parametrize("source", SETS, ids=lambda source: source.name)
def test_images_and_audio_are_finite_and_in_range(source: ComposedSet) -> None:
    for label in range(len(source.classes)):
        rng = np.random.default_rng(label)
        image = source.image(rng, label, "train")
        assert image.shape[0] == 4
        assert 0 <= image.min() <= image.max() <= 1
        assert image[3].max() > 0.9
        audio = source.audio(rng, label, 1.5, 16000)
        assert len(audio) == 24000
        assert np.isfinite(audio).all()
        assert audio.std() > 0


def test_held_out_handwriting_is_not_trained_on() -> None:
    rng = np.random.default_rng(0)
    strokes = {
        split: {DigitsSet().image(rng, 0, split)[3].tobytes() for _ in range(300)}
        for split in ("train", "test")
    }
    assert not strokes["train"] & strokes["test"]
    assert min(map(len, strokes.values())) > 20


def test_box_encloses_what_is_drawn() -> None:
    """Draw a white square; the box is where the frame changes."""
    source, size = PatternsSet(), (96, 64)
    image: FloatArray = np.zeros((4, 20, 20), dtype=np.float32)
    image[:, 4:16, 6:14] = 1
    still = np.array([48.0]), np.array([30.0]), np.array([40.0])
    for angle in (0.0, 0.5):
        placement = Placement(*still, np.array([angle]))
        rng = (np.random.default_rng(1) for _ in range(2))
        (frame,) = render(next(rng), [Sprite(image, placement)], source.style, size)
        (empty,) = render(next(rng), [Sprite(np.zeros_like(image), placement)], source.style, size)
        ys, xs = np.nonzero(np.abs(frame.astype(int) - empty).max(2) > 40)
        edges = np.array(box(image, placement, 0, size)) * (*size, *size)
        found = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        np.testing.assert_allclose(edges, found, atol=2.5)


def test_an_object_without_audio_is_behind_and_has_no_box(tmp_path: Path) -> None:
    """Compare a clip with and without an object behind: the boxes are the same, the frames are not."""

    class Beside(DigitsSet):
        def mute_image(self, rng: np.random.Generator, split: str) -> FloatArray:
            return np.ones((4, 8, 8), dtype=np.float32)

    def written(source: ComposedSet, folder: Path) -> tuple[list[Any], Any]:
        folder.mkdir()
        clip = write_composed_clip(ComposedJob(str(folder), source, 3, "train", 2, 1))
        with av.open(str(next(folder.iterdir()))) as container:
            return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)], clip.boxes

    (alone, boxes), (beside, same) = written(DigitsSet(), tmp_path / "a"), written(Beside(), tmp_path / "b")
    assert boxes == same
    assert np.abs(alone[5].astype(int) - beside[5]).max() > 60
    size, square = (96, 64), np.ones((4, 20, 20), dtype=np.float32)
    front, behind = (
        Sprite(square, Placement(np.array([48.0]), np.array([30.0]), np.array([side]), np.array([0.0])))
        for side in (40.0, 20.0)
    )
    covered, plain = (
        render(np.random.default_rng(1), sprites, PatternsSet.style, size)[0]
        for sprites in ([behind, front], [front])
    )
    assert np.array_equal(covered, plain)


def test_objects_stay_in_the_frame() -> None:
    source, size = DigitsSet(), (64, 64)
    placement = place(np.random.default_rng(0), source.style, size, np.arange(50) / 12)
    for centre, side in ((placement.x, size[0]), (placement.y, size[1])):
        assert (centre - placement.side / 2 >= -1e-6).all()
        assert (centre + placement.side / 2 <= side + 1e-6).all()
        assert np.ptp(centre) > 5


def test_a_clip_does_not_depend_on_others(tmp_path: Path) -> None:
    job = ComposedJob(str(tmp_path), DigitsSet(), 3, "train", 2, 1)
    first = write_composed_clip(job)
    path = tmp_path / f"{first.youtube_id}_{first.start:06d}.mp4"
    content = path.read_bytes()
    write_composed_clip(ComposedJob(str(tmp_path), DigitsSet(), 3, "test", 2, 1))
    assert write_composed_clip(job) == first
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"seed": -1}, "seed -1"), ({"train_per_class": 0, "test_per_class": 0}, "not both 0")],
)
def test_wrong_arguments(tmp_path: Path, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_composed(str(tmp_path / "new"), DigitsSet(), **arguments)
    assert not (tmp_path / "new").exists()
