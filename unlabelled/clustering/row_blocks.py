"""Visit a tall matrix in cache-sized blocks of rows, one Python thread per core."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import torch

BLOCK_BYTES = 1 << 20  # stays in a core's second-level cache between two uses
DEVICE_BLOCK_BYTES = 1 << 28  # an accelerator wants few large products, not many small ones
MAX_THREADS = 16  # beyond this the interpreter lock, not the memory, is the limit
MIN_BLOCKS_PER_THREAD = 2


class RowBlocks:
    """Context manager that runs a function once per block of rows.

    torch releases the interpreter lock inside its operations, so Python threads use all cores. Each block is
    read from memory once, however many operations the function applies to it. The blocks depend on the matrix
    alone: results per block do not depend on the number of threads.

    Args:
        num_rows: Rows of the matrix; 0 gives no blocks.
        row_bytes: Bytes of one row.
        device: Device of the matrix; unless it is a CPU, the calling thread visits all blocks.
    """

    def __init__(self, num_rows: int, row_bytes: int, device: torch.device) -> None:
        on_cpu = device.type == "cpu"
        self.rows = max(1, (BLOCK_BYTES if on_cpu else DEVICE_BLOCK_BYTES) // max(1, row_bytes))
        self.slices = [
            slice(start, min(start + self.rows, num_rows)) for start in range(0, num_rows, self.rows)
        ]
        self._device = device
        self._intra_op_threads = torch.get_num_threads()
        wanted = len(self.slices) // MIN_BLOCKS_PER_THREAD
        self.num_threads = max(1, min(self._intra_op_threads, MAX_THREADS, wanted)) if on_cpu else 1
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> RowBlocks:
        if self._device.type == "cpu":
            torch.set_num_threads(1)  # each block is one thread's work: nested threads would only wait
        if self.num_threads > 1:
            self._pool = ThreadPoolExecutor(
                self.num_threads, initializer=torch.set_num_threads, initargs=(1,)
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        if self._device.type == "cpu":
            torch.set_num_threads(self._intra_op_threads)

    def run(self, work: Callable[[int], None]) -> None:
        """Call ``work(b)`` for each block index b; an exception raised there is raised here."""
        indices = iter(range(len(self.slices)))

        def work_off() -> None:
            # Grad mode and autocast are per thread. Inference mode, unlike no_grad, may also write into
            # tensors that the caller made in inference mode, and autocast would round the products to half
            # precision.
            with torch.inference_mode(), torch.autocast(self._device.type, enabled=False):
                for index in indices:
                    work(index)

        if self._pool is None:
            work_off()
            return
        for future in [self._pool.submit(work_off) for _ in range(self.num_threads)]:
            future.result()
