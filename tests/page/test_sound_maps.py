from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from unlabelled.page.preview import Preview
from unlabelled.page.sound_maps import write_maps


def test_a_map_lies_over_its_thumbnail(tmp_path: Path) -> None:
    for name in "abc":
        Image.new("RGB", (40, 20)).save(tmp_path / f"{name}.jpg")
    maps = np.zeros((4, 2, 4), np.float32)
    maps[0, 1, 3] = 5  # at the lower right
    maps[2] = np.nan
    previews = [Preview("video", f"{name}.jpg") for name in "abc"] + [Preview()]
    assert write_maps(maps, previews, tmp_path) == [1, 1, 0, 0]
    drawn = np.asarray(Image.open(tmp_path / "a_map.png"))
    assert drawn.shape == (20, 40, 4)
    assert drawn[15:, 35:, 3].min() > 150
    assert drawn[:8, :20, 3].max() < 10
    assert np.asarray(Image.open(tmp_path / "b_map.png"))[..., 3].max() == 0  # equal values name no place
