"""Files of weights are read as they were written, or refused in one line; no code in them is run."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from unlabelled.checkpoints import read_checkpoint
from unlabelled.commands.errors.checkpoint import check_checkpoint
from unlabelled.foreign_files import read_weights

CONTENT: dict[str, Any] = {
    "state_dict": {f"w{number}": torch.arange(600.0).view(20, 30) + number for number in range(3)},
    "loops": {"fit_loop": {"epoch": 3}},
    "hyper_parameters": {"num_clusters": 9, "names": ["a", "b"]},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.save(CONTENT, tmp_path / "a.ckpt")
    return tmp_path / "a.ckpt"


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return bool(one == other)


def read_or_refused(path: Path) -> bool:
    """Return whether a file is refused; otherwise its content must be right."""
    content, message = None, ""
    try:
        content = read_checkpoint(path)
    except ValueError as error:
        message = str(error)
    assert content is None or same(content, CONTENT)
    assert content is not None or message.startswith(f"checkpoint: {str(path)!r} is ")
    assert "\n" not in message
    return content is None


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_bit_is_refused_or_does_not_matter(seed: int, path: Path) -> None:
    whole, rng = path.read_bytes(), np.random.default_rng(seed)
    refused = 0
    for position in rng.integers(0, len(whole), 50):
        changed = bytearray(whole)
        changed[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        refused += read_or_refused(path)
    assert refused > 40  # the rest are bytes between the parts


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_file_that_was_cut_is_refused(share: float, path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert read_or_refused(path)


@pytest.mark.parametrize("content", [b"text", b"PK\x03\x04", b"\x80\x02}q\x00.", b"\x00" * 5000])
def test_other_files_are_refused(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    assert read_or_refused(path)


class _Program:
    """A pickle of it creates a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("zipped", [True, False])
def test_no_code_is_run(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    torch.save({"state_dict": _Program(tmp_path / "run")}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="is refused: it contains other objects than tensors"):
        read_checkpoint(path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2], "text"])
def test_other_values_are_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match=rf"contains a {type(content).__name__}, expected a checkpoint"):
        read_checkpoint(tmp_path / "a.ckpt")


def test_weights_alone_are_not_resumed(path: Path) -> None:
    check_checkpoint(str(path))
    with pytest.raises(
        ValueError, match="cannot be resumed: it has no optimizer_states, lr_schedulers, callb"
    ):
        check_checkpoint(str(path), resumes=True)
    torch.save(CONTENT["state_dict"], path)
    with pytest.raises(ValueError, match=r"cannot be evaluated: it has no state_dict; .*encoder_checkpoint"):
        check_checkpoint(str(path))


def test_parts_that_fill_the_memory_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(100_000)}, tmp_path / "whole.ckpt")
    assert read_checkpoint(tmp_path / "whole.ckpt")["weight"].numel() == 100_000
    with (
        zipfile.ZipFile(tmp_path / "whole.ckpt") as whole,
        zipfile.ZipFile(tmp_path / "small.ckpt", "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for name in whole.namelist():
            small.writestr(name, whole.read(name))
    assert (tmp_path / "small.ckpt").stat().st_size < 10_000
    for read in (read_checkpoint, read_weights):
        with pytest.raises(ValueError, match="is damaged or no checkpoint"):
            read(tmp_path / "small.ckpt")
