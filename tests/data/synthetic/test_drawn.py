"""The drawn images are checked through their files, and their outlines against areas known in closed form."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from lightning.pytorch.trainer.states import TrainerFn
from PIL import Image
from scipy import stats
from sklearn.neighbors import KNeighborsClassifier

from datamodules import DrawnImages
from unlabelled.data.synthetic.drawn import CLASSES, contact_sheet, write_drawn, writer
from unlabelled.data.synthetic.drawn.image import SIZE, _draw_colours, draw_image, draw_pose
from unlabelled.data.synthetic.drawn.shapes import SHAPES, polygon
from unlabelled.data.synthetic.drawn.textures import PATTERNS, PERIOD
from unlabelled.pipelines import ContrastiveImages
from unlabelled.transforms import AugmentedCrop, RandomResizedCrop, Strong

LUMA = np.asarray([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "data"
    write_drawn(str(folder), seed=3, train_per_class=3, val_per_class=2, progress=False)
    return folder


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    """Images (class, 50, 48, 48, 3)."""
    rngs = [[np.random.default_rng([c, n]) for n in range(50)] for c in range(len(CLASSES))]
    return np.stack([[draw_image(r, name) for r in row] for name, row in zip(CLASSES, rngs, strict=True)])


def digests(root: Path) -> dict[str, str]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def grid(half: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    line = np.arange(-half + step / 2, half, step, dtype=np.float32)
    return np.broadcast_to(line, (len(line),) * 2), np.broadcast_to(line[:, None], (len(line),) * 2)


def test_layout_is_class_folders_of_small_png_files(root: Path) -> None:
    expected = {
        f"{split}/{name}/{number:05d}.png"
        for split, count in (("train", 3), ("val", 2))
        for name in CLASSES
        for number in range(count)
    }
    assert {str(path.relative_to(root)) for path in root.rglob("*.png")} == expected
    for path in root.rglob("*.png"):
        with Image.open(path) as image:
            assert (image.format, image.size, image.mode) == ("PNG", (48, 48), "RGB")


def test_no_two_images_are_equal(root: Path) -> None:
    images = [digest for name, digest in digests(root).items() if name.endswith(".png")]
    assert len(set(images)) == len(images) == 5 * len(CLASSES)


def test_same_seed_same_files_and_more_images_change_none(root: Path, tmp_path: Path) -> None:
    write_drawn(str(tmp_path / "more"), seed=3, train_per_class=4, val_per_class=2, progress=False)
    write_drawn(str(tmp_path / "other"), seed=4, train_per_class=3, val_per_class=2, progress=False)
    before, more, other = digests(root), digests(tmp_path / "more"), digests(tmp_path / "other")
    images = [name for name in before if name.endswith(".png")]
    assert all(more[name] == before[name] for name in images)
    assert all(other[name] != before[name] for name in images)


def test_a_finished_data_set_is_left_alone(tmp_path: Path) -> None:
    write_drawn(str(tmp_path), 0, 1, 1, progress=False)
    image = tmp_path / "train" / CLASSES[0] / "00000.png"
    image.write_bytes(b"mine")
    write_drawn(str(tmp_path), 0, 1, 1, progress=False)
    assert image.read_bytes() == b"mine"


def test_other_arguments_or_another_format_write_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_drawn(str(tmp_path), 0, 2, 1, progress=False)
    write_drawn(str(tmp_path), 0, 1, 1, progress=False)
    image = tmp_path / "train" / CLASSES[0] / "00000.png"
    assert [path.name for path in image.parent.iterdir()] == ["00000.png"]
    whole = image.read_bytes()
    image.write_bytes(b"old")
    monkeypatch.setattr(writer, "FORMAT", writer.FORMAT + 1)
    write_drawn(str(tmp_path), 0, 1, 1, progress=False)
    assert image.read_bytes() == whole
    assert json.loads((tmp_path / "COMPLETE.json").read_text())["format"] == writer.FORMAT


def test_an_interrupted_call_is_not_taken_for_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def fail_late(rng: np.random.Generator, name: str) -> np.ndarray:
        if len(drawn) == len(CLASSES) + 1:  # within `val`, when all of `train` is there
            raise KeyboardInterrupt
        drawn.append(name)
        return draw_image(rng, name)

    with monkeypatch.context() as patch:
        patch.setattr(writer, "draw_image", fail_late)
        with pytest.raises(KeyboardInterrupt):
            write_drawn(str(tmp_path), 0, 1, 1, progress=False)
    assert not (tmp_path / "train").exists()
    assert not (tmp_path / "COMPLETE.json").exists()
    write_drawn(str(tmp_path), 0, 1, 1, progress=False)
    assert len(list(tmp_path.rglob("*.png"))) == 2 * len(CLASSES)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".drawn", ".lock", "COMPLETE.json", "train", "val"]


def test_files_of_others_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "cat.png").write_bytes(b"cat")
    with pytest.raises(FileExistsError, match="'train' and was not written by write_drawn"):
        write_drawn(str(tmp_path), progress=False)
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] == ["train", "train/cat.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed -1"),
        ({"train_per_class": 0}, "train_per_class 0 must be 1"),
        ({"val_per_class": 0}, "val_per_class 0 must be 1"),
    ],
)
def test_arguments_out_of_range_are_named(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_drawn(str(tmp_path / "new"), **arguments)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "thickness", "area"),
    [
        ("disc", 0.5, np.pi * 0.81),
        ("ring", 0.0, np.pi * (0.95**2 - 0.71**2)),
        ("square", 0.5, 2 * 1.1**2),
        ("triangle", 0.5, 0.75 * np.sqrt(3) * 1.1**2),
        ("star", 0.0, 5 * 1.05 * 0.4 * np.sin(np.pi / 5)),
        ("cross", 0.0, 4 * (2 * 0.95 * 0.2 - 0.2**2)),
        ("heart", 0.5, 180 * np.pi / 256),
        ("arrow", 0.0, 0.9 * 0.8 + 1.05 * 0.32),
    ],
)
def test_outlines_enclose_their_area(name: str, thickness: float, area: float) -> None:
    u, v = grid(1.3, 0.005)
    assert (SHAPES[name](u, v, thickness) < 0).sum() * 0.005**2 == pytest.approx(area, rel=0.01)


def test_polygon_is_the_distance_to_its_edge() -> None:
    corners = np.asarray([(-1.0, -1.0), (1.0, -1.0), (0.0, 0.0), (1.0, 1.0), (-1.0, 1.0)])  # not convex
    u, v = grid(1.5, 0.25)
    u = u + np.float32(0.05)  # no point on an edge, where inside and outside are both right
    places = np.linspace(0, 1, 2001)[:, None]
    edge = np.concatenate(
        [a + places * (b - a) for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)]
    )
    brute = np.sqrt(((np.stack([u, v], -1)[..., None, :] - edge) ** 2).sum(-1)).min(-1)
    found = polygon(u, v, corners)
    np.testing.assert_allclose(np.abs(found), brute, atol=1e-3)
    inside = (np.abs(u) < 1) & (np.abs(v) < 1) & ~((u > 0) & (np.abs(v) < u))
    np.testing.assert_array_equal(found < 0, inside)


@pytest.mark.parametrize("name", PATTERNS)
def test_fabrics_repeat_and_show_both_pattern_and_ground(name: str) -> None:
    u, v = grid(2.0, 0.02)
    pattern = PATTERNS[name](u, v, 0.5)
    np.testing.assert_allclose(PATTERNS[name](u + 1, v, 0.5), pattern, atol=1e-5)
    np.testing.assert_allclose(PATTERNS[name](u, v + 2, 0.5), pattern, atol=1e-5)
    assert 0.15 < (pattern < 0).mean() < 0.6
    assert PERIOD[name][0] >= 6  # pixels of 48: four at 32, enough to be seen after a resize


def test_object_is_large_and_stays_in_the_image() -> None:
    poses = [draw_pose(np.random.default_rng(seed)) for seed in range(500)]
    for pose in poses:
        assert 0.65 <= pose.radius / (SIZE / 2) <= 1
        reach = 0.8 * pose.radius - 1e-3
        assert reach <= min(pose.x, pose.y)
        assert max(pose.x, pose.y) <= SIZE - reach
    assert {pose.mirror for pose in poses} == {-1, 1}


@pytest.mark.parametrize("dark", [True, False])
def test_object_and_pattern_stand_out_in_grey(dark: bool) -> None:
    for seed in range(200):
        behind, body, ink = _draw_colours(np.random.default_rng(seed), dark)
        assert all(((c >= 0) & (c <= 1)).all() for c in (*behind, body, ink))
        steps = [abs(float(body @ LUMA) - float(other @ LUMA)) for other in (*behind, ink)]
        assert min(steps) > 0.3


def test_colour_and_brightness_do_not_reveal_the_class(samples: np.ndarray) -> None:
    """Corners show mostly the background: its mean colour has one distribution in all classes."""
    corners = samples[:, :, [0, 0, -1, -1], [0, -1, 0, -1]].mean(axis=2)  # (class, 50, 3)
    for channel in range(3):
        assert stats.kruskal(*corners[..., channel]).pvalue > 1e-3
    fits, held = samples[:, :40].mean(axis=(2, 3)), samples[:, 40:].mean(axis=(2, 3))
    labels = np.repeat(np.arange(len(CLASSES)), 40), np.repeat(np.arange(len(CLASSES)), 10)
    by_colour = KNeighborsClassifier(10).fit(fits.reshape(-1, 3), labels[0])
    assert by_colour.score(held.reshape(-1, 3), labels[1]) < 0.25  # chance is 0.08


def test_unknown_class_is_an_error() -> None:
    with pytest.raises(KeyError):
        draw_image(np.random.default_rng(0), "cat")


def test_contact_sheet_has_a_row_for_each_class(root: Path, tmp_path: Path) -> None:
    contact_sheet(str(root), str(tmp_path / "sheet.png"), per_class=3)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"))
    rows = np.array_split(sheet, len(CLASSES))
    assert all((row < 200).any(axis=2).mean() > 0.1 for row in rows)
    with pytest.raises(ValueError, match="3 images, but per_class is 4"):
        contact_sheet(str(root), str(tmp_path / "x.png"), per_class=4)


def test_data_module_writes_and_lists_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crop = AugmentedCrop(RandomResizedCrop(32, (0.2, 1.0)), Strong())
    pipeline = ContrastiveImages([crop, crop], eval_size=32)
    counts = {"train_per_class": 2, "val_per_class": 1}
    data = DrawnImages(str(tmp_path / "new"), data_seed=5, **counts, pipeline=pipeline, num_workers=0)
    with monkeypatch.context() as patch:
        patch.setattr(data, "trainer", SimpleNamespace(state=SimpleNamespace(fn=TrainerFn.FITTING)))
        data.prepare_data()
    data.setup("fit")
    assert data.class_names == list(CLASSES)
    assert data.num_train_samples == 2 * len(CLASSES)
    labels = [label for batch in data.val_dataloader() for label in batch["label"].tolist()]
    assert labels == list(range(len(CLASSES)))
    assert json.loads((tmp_path / "new" / "COMPLETE.json").read_text())["seed"] == 5
