"""Seeds are a function of their keys."""

from __future__ import annotations

import subprocess
import sys

from unlabelled.seeding import derive_seed, numpy_generator, torch_generator


def test_the_same_keys_give_the_same_numbers_in_every_process() -> None:
    code = "from unlabelled.seeding import derive_seed; print(derive_seed(3, 'view', 5, 7))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(result.stdout) == derive_seed(3, "view", 5, 7)


def test_different_keys_give_different_numbers() -> None:
    keys = [(0, "a", 1), (0, "a", 2), (0, "b", 1), (1, "a", 1), (0, "a", 12), (0, "a1", 2)]
    assert len({derive_seed(*key) for key in keys}) == len(keys)
    assert all(0 <= derive_seed(*key) < 2**63 for key in keys)
    assert numpy_generator(1, "x").random() != numpy_generator(2, "x").random()
    assert torch_generator(1, "x").initial_seed() == derive_seed(1, "x")
