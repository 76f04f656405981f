"""Images out of files and arrays: as torchvision decodes them, or a named failure."""

from __future__ import annotations

import struct
import warnings
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.io import ImageReadMode
from torchvision.io import decode_image as torchvision_decode
from torchvision.transforms.functional import pil_to_tensor

from unlabelled.data.datasets.images import ImageArrays, ImageDataset, ImageFiles
from unlabelled.data.datasets.samples import NOT_REPLACED, SampleKey
from unlabelled.data.media.images import decode_image
from unlabelled.data.media.reader import DecodeError
from unlabelled.pipelines.base import ImagePipeline


class Plain(ImagePipeline):
    """Return the image, and a random number in training, to check what the randomness depends on."""

    def load(self, image: torch.Tensor, rng: np.random.Generator, train: bool) -> dict[str, Any]:
        return {"image": image, "drawn": rng.random() if train else 0.0}


def random_image(seed: int, size: tuple[int, int] = (7, 5)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def files(tmp_path: Path) -> ImageFiles:
    """Four PNG files, the third one broken off."""
    for row in range(4):
        random_image(row).save(tmp_path / f"{row}.png")
    whole = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(whole[: len(whole) // 2])
    return ImageFiles("train", str(tmp_path), [f"{row}.png" for row in range(4)], torch.tensor([5, 6, 7, 8]))


@pytest.mark.parametrize("mode", ["RGB", "L", "LA", "P", "1", "RGBA", "CMYK"])
def test_modes_are_decoded_as_torchvision_does(mode: str, tmp_path: Path) -> None:
    folder = tmp_path / "class"
    folder.mkdir()
    suffix = "jpg" if mode == "CMYK" else "png"
    random_image(0).convert(mode).save(folder / f"a.{suffix}")
    image = decode_image(str(folder / f"a.{suffix}"))
    assert image.shape == (3, 5, 7)
    assert image.dtype == torch.uint8
    assert torch.equal(image, pil_to_tensor(ImageFolder(tmp_path)[0][0]))
    assert torch.equal(image, torchvision_decode(str(folder / f"a.{suffix}"), ImageReadMode.RGB))


def test_images_of_16_bits_keep_their_levels(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).round().astype(np.uint16).reshape(8, 8)
    for suffix in ("png", "tif"):
        Image.fromarray(ramp).save(tmp_path / f"a.{suffix}")
        image = decode_image(str(tmp_path / f"a.{suffix}"))
        assert torch.equal(image, torch.from_numpy((ramp >> 8).astype(np.uint8)).expand(3, 8, 8))
    assert len(image.unique()) == 64


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.array([[0.0, 0.5, 1.0]], np.float32), None),
        (np.array([[0, 32768, 65535]], np.int32), None),
        (np.array([[0.0, 0.5, 255.0]], np.float32), "pixels of 32 bits from 0 to 255, expected 0 to 1;"),
        (np.array([[0.0, np.nan, 1.0]], np.float32), "pixels of 32 bits from nan to nan, expected 0 to 1;"),
        (np.array([[-1, 0, 70000]], np.int32), "pixels of 32 bits from -1 to 70000, expected 0 to 65535;"),
    ],
)
def test_numbers_of_32_bits_are_scaled_or_refused(
    values: NDArray[Any], reason: str | None, tmp_path: Path
) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    if reason is None:
        assert decode_image(str(tmp_path / "a.tif"))[:, 0].tolist() == [[0, 128, 255]] * 3
        return
    with pytest.raises(DecodeError, match=reason):
        decode_image(str(tmp_path / "a.tif"))


@pytest.mark.parametrize("suffix", ["eps", "png"])
def test_formats_that_are_programs_are_refused_whatever_the_ending(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    random_image(0).save(path, "EPS")
    with Image.open(path) as image:
        assert image.format == "EPS"  # Pillow knows it
    with pytest.raises(DecodeError, match="not an image file"):
        decode_image(str(path))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9_460, 40_000])
def test_images_of_too_many_pixels_are_refused_by_their_header(side: int, tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""))
    with pytest.raises(DecodeError, match=r"too many|exceeds limit"):
        decode_image(str(tmp_path / "a.png"))


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0] = [[200, 0, 0, 0], [200, 0, 0, 255], [0, 0, 0, 128]]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = decode_image(str(tmp_path / "a.png"))[:, 0].T.tolist()
    assert image[:2] == [[255, 255, 255], [200, 0, 0]]
    assert all(abs(value - 127) <= 1 for value in image[2])
    palette = Image.fromarray(pixels[:, :, :3]).convert("P")
    palette.save(tmp_path / "p.png", transparency=palette.getpixel((0, 0)))
    assert decode_image(str(tmp_path / "p.png"))[:, 0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "tEXt"])
def test_large_texts_do_not_matter(kind: str, tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    for number in range(3):
        text = "x" * 30_000_000
        if kind == "iTXt":
            texts.add_itxt(f"k{number}", text, zip=True)
        else:
            texts.add_text(f"k{number}", text, zip=kind == "zTXt")
    random_image(0).save(tmp_path / "a.png", pnginfo=texts)
    random_image(0).save(tmp_path / "b.png")
    assert torch.equal(decode_image(str(tmp_path / "a.png")), decode_image(str(tmp_path / "b.png")))


def test_the_orientation_of_a_camera_is_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    random_image(0).save(tmp_path / "a.jpg", exif=exif)
    assert decode_image(str(tmp_path / "a.jpg")).shape == (3, 5, 7)


def test_what_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    random_image(0, (64, 64)).save(tmp_path / "half.jpg")
    content = (tmp_path / "half.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "page.jpg").write_text("<html>404</html>")
    (tmp_path / "folder.jpg").mkdir()
    reasons = {
        "half": "undecodable: image file is truncated",
        "empty": "not an image",
        "page": "not an image",
        "folder": "undecodable: .*directory",
        "absent": "no such file",
    }
    for name, reason in reasons.items():
        with pytest.raises(DecodeError, match=rf"{name}\.jpg: {reason}"):
            decode_image(str(tmp_path / f"{name}.jpg"))


@pytest.mark.parametrize("start", range(8, 60, 4))
def test_rotten_bytes_never_end_a_run(start: int, tmp_path: Path) -> None:
    random_image(0).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[start : start + 4] = b"\xff\x00\xff\x7f"
    (tmp_path / "a.png").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an image that claims to be huge
        with suppress(DecodeError):  # and nothing else
            assert decode_image(str(tmp_path / "a.png")).shape[0] == 3


def test_a_broken_file_is_replaced_and_named(files: ImageFiles, caplog: pytest.LogCaptureFixture) -> None:
    data = ImageDataset(files, Plain(), train=True)
    sample = data[SampleKey(2, epoch=1)]
    row = int(sample["index"])
    assert row != 2
    assert sample["replaced"] == 2
    assert sample["label"] == 5 + row
    assert torch.equal(sample["image"], pil_to_tensor(random_image(row)))
    assert "2.png: undecodable: " in caplog.text
    assert data[row]["replaced"] == NOT_REPLACED
    assert data[SampleKey(row, 1)]["drawn"] == sample["drawn"] != data[SampleKey(row, 2)]["drawn"]


def test_batches_of_workers(files: ImageFiles) -> None:
    loader = DataLoader(ImageDataset(files, Plain(), train=False), batch_size=4, num_workers=1)
    (batch,) = loader
    assert batch["image"].shape == (4, 3, 5, 7)
    assert batch["label"].dtype == batch["index"].dtype == torch.int64
    assert batch["replaced"].tolist() == [-1, -1, 2, -1]


def test_several_labels_per_image(files: ImageFiles) -> None:
    labels = torch.tensor([[1.0, 0.0], [0.0, -1.0]])
    many = ImageFiles("train", files.root, ["0.png", "1.png"], labels)
    (batch,) = DataLoader(ImageDataset(many, Plain(), train=False), batch_size=2)
    assert torch.equal(batch["label"], labels)


def test_arrays_one_after_the_other() -> None:
    first, second = (np.random.default_rng(n).integers(0, 256, (n, 3, 4, 6), dtype=np.uint8) for n in (2, 3))
    source = ImageArrays("train", "two parts", [first, second.copy()], torch.arange(5))
    images = torch.stack([source.image(row) for row in range(5)])
    np.testing.assert_array_equal(images, np.concatenate([first, second]))
    source.image(4).zero_()  # a copy
    np.testing.assert_array_equal(source.image(4), second[2])
    assert source.path(3) == "two parts[3]"
    with pytest.raises(ValueError, match="two parts: 2 images, but 5 labels"):
        ImageArrays("train", "two parts", [first], torch.arange(5))
    with pytest.raises(ValueError, match=r"x: expected uint8 \(n, 3, H, W\), got uint8 \(4, 6, 3\)"):
        ImageArrays("train", "x", [np.zeros((4, 6, 3), np.uint8)], torch.arange(4))


def test_fingerprints_depend_on_names_order_and_labels_not_on_the_folder() -> None:
    def fingerprint(root: str, names: str, labels: list[int]) -> str:
        return ImageFiles("train", root, names.split(), torch.tensor(labels)).fingerprint

    same = fingerprint("/a", "x y z", [0, 1, 2])
    assert same == fingerprint("/b", "x y z", [0, 1, 2])
    others = [("x z y", [0, 1, 2]), ("x y z", [0, 2, 1]), ("xy z", [0, 1]), ("x yz", [0, 1]), ("x", [0])]
    assert len({same, *(fingerprint("/a", names, labels) for names, labels in others)}) == 6
    arrays = [
        ImageArrays("train", name, [np.zeros((n, 3, 2, 2), np.uint8)], torch.zeros(n, dtype=torch.int64))
        for name, n in (("a", 2), ("b", 2), ("a", 3))
    ]
    assert len({source.fingerprint for source in arrays}) == 3


def test_paths_of_any_spelling() -> None:
    names = ["", "naïve/鳥.jpg", "bytes\udcff.jpg", "a b.jpg"]
    source = ImageFiles("train", "/r", names, torch.zeros(4))
    assert [source.path(row) for row in range(4)] == [f"/r/{name}" for name in names]
    with pytest.raises(ValueError, match="train: 4 paths, but 3 labels"):
        ImageFiles("train", "/r", names, torch.zeros(3))


def test_missing_files_are_reported() -> None:
    missing = [f"m{n}.jpg" for n in range(7)]
    source = ImageFiles("val", "/r", ["a.jpg"], torch.zeros(1), missing)
    expected = "val: 1 images of 8 listed; left out: missing 7 (m0.jpg, m1.jpg, m2.jpg, m3.jpg, m4.jpg, "
    assert source.summary() == expected + "… and 2 more)"
    assert ImageFiles("val", "/r", ["a.jpg"], torch.zeros(1)).summary() == "val: 1 images"
