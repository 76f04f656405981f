"""Random changes of colour and sharpness: drawn per sample in a worker, applied to whole batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.transforms.checks import check_at_least, check_probability, check_range
from unlabelled.transforms.colour import adjust, shift_colours, shift_hue, solarize, to_grey

Parameters = dict[str, Tensor]
_CACHED = (
    1 << 18
)  # floats: parts of 1 MiB fit in the cache of a CPU, which doubles the speed of large batches
_NUM_BLENDS, _HUE = 3, 3  # brightness, contrast and saturation are blends, numbered 0 to 2; 3 is the hue


class Augmentation:
    """Colour jitter, greyscale, Gaussian blur, solarization, colour shift and flip, in this order.

    All but the colour shift are as in torchvision.

    :meth:`draw` draws the parameters of a sample from its own generator; :meth:`apply` applies them to a
    batch, with parameters per sample.

    Args:
        jitter: Probability of colour jitter.
        brightness: x; factors are drawn from ``max(0, 1 - x)`` to ``1 + x``.
        contrast: As ``brightness``.
        saturation: As ``brightness``.
        hue: x; the shift is drawn from ``-x`` to ``x`` of the colour circle, at most 0.5.
        greyscale: Probability.
        blur: Probability.
        blur_sigma: Smallest and largest standard deviation of the blur in pixels.
        blur_kernel: Taps of the blur, odd; fewer for a smaller image.
        solarize: Probability of inverting values above one half.
        flip: Probability of a horizontal flip.
        colour_shift: Strength of a random change of contrast and of the level of each channel, see
            :func:`~unlabelled.transforms.clip_transforms.shift_colours`; ours.

    Raises:
        ValueError: A probability outside 0 to 1, a negative strength, ``hue`` above 0.5, an even
            ``blur_kernel`` or a range whose first number is the larger one.

    Source: SCE Table 1; docs/methods/sce.md#augmentations.
    """

    def __init__(
        self,
        jitter: float = 0.8,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
        greyscale: float = 0.0,
        blur: float = 0.0,
        blur_sigma: tuple[float, float] = (0.1, 2.0),
        blur_kernel: int = 23,
        solarize: float = 0.0,
        flip: float = 0.5,
        colour_shift: float = 0.0,
    ) -> None:
        check_probability(self, jitter=jitter, greyscale=greyscale, blur=blur, solarize=solarize, flip=flip)
        check_at_least(self, 0, brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)
        check_at_least(self, 0, colour_shift=colour_shift)
        check_range(self, blur_sigma=blur_sigma)
        name = type(self).__name__
        if hue > 0.5:
            raise ValueError(f"{name}: hue={hue} must be at most 0.5, half of the colour circle")
        if blur_kernel < 1 or blur_kernel % 2 == 0:
            raise ValueError(f"{name}: blur_kernel={blur_kernel} must be odd and at least 1")
        self.jitter, self.strengths, self.hue = jitter, (brightness, contrast, saturation), hue
        self.greyscale, self.solarize, self.flip = greyscale, solarize, flip
        self._lowest = np.maximum(0.0, 1 - np.array(self.strengths))
        self._highest = 1 + np.array(self.strengths)
        self.blur, self.blur_sigma, self.blur_kernel = blur, blur_sigma, blur_kernel
        self.colour_shift = colour_shift

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Return one sample's parameters, for ``default_collate`` to stack.

        ``adjustments (3,)`` and ``factors (3,)``: the blends of the jitter in their order; ``hue`` and
        ``hue_place``: the shift, and the number of blends before it, -1 for no shift; ``colour_shift (4,)``:
        contrast and levels, if they are changed; the others are scalars.
        """
        jittered, order = rng.random() < self.jitter, rng.permutation(_NUM_BLENDS + 1)
        factors = self._lowest + (self._highest - self._lowest) * rng.random(_NUM_BLENDS)
        shift = rng.uniform(-self.hue, self.hue)
        blends = order[order != _HUE]
        blends_before_hue = int(np.flatnonzero(order == _HUE)[0]) if jittered and self.hue > 0 else -1
        chances = (self.greyscale, self.blur, self.solarize, self.flip)
        chosen = rng.random(len(chances)) < chances
        parameters = {
            "adjustments": torch.from_numpy(blends),
            "factors": torch.tensor(
                factors[blends] if jittered else np.ones(_NUM_BLENDS), dtype=torch.float32
            ),
            "hue": torch.tensor(shift, dtype=torch.float32),
            "hue_place": torch.tensor(blends_before_hue),
            "blur_sigma": torch.tensor(rng.uniform(*self.blur_sigma), dtype=torch.float32),
        }
        flags = zip(("greyscale", "blur", "solarize", "flip"), chosen.tolist(), strict=True)
        parameters |= {flag: torch.tensor(value) for flag, value in flags}
        if self.colour_shift > 0:
            numbers = self.colour_shift * rng.standard_normal(4)
            parameters["colour_shift"] = torch.tensor(numbers, dtype=torch.float32)
        return parameters

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Return the augmented images, without waiting for the device.

        Args:
            images: ``(B, 3, [T,] H, W)`` float32 in [0, 1]; all frames of a clip have the same parameters.
            parameters: Results of :meth:`draw`, stacked to ``(B, ...)``, on the same device.
        """
        if images.device.type != "cpu":
            return self._apply(images, parameters)
        rows = max(1, _CACHED // images.shape[1:].numel())
        parts = [
            self._apply(part, {name: values[index * rows :][:rows] for name, values in parameters.items()})
            for index, part in enumerate(torch.split(images, rows))
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        images = images.clone()  # modified in place below
        if self.jitter > 0 and (any(self.strengths) or self.hue > 0):
            images = self._jitter(images, parameters)
        if self.greyscale > 0:
            images = where(parameters["greyscale"], images, to_grey)
        if self.blur > 0:
            images = where(parameters["blur"], images, self._blur, parameters["blur_sigma"])
        if self.solarize > 0:
            images = where(parameters["solarize"], images, solarize)
        if self.colour_shift > 0:
            images = shift_colours(images, parameters["colour_shift"])
        if self.flip > 0:
            images = where(parameters["flip"], images, lambda chosen: chosen.flip(-1))
        return images

    def _jitter(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Apply the blends and the hue of each sample in its order."""
        before_hue = parameters["hue_place"]
        if self.hue > 0:
            for step in range(_NUM_BLENDS):
                images = _blend(step < before_hue, images, parameters, step)
            images = where(before_hue >= 0, images, shift_hue, parameters["hue"])
        for step in range(_NUM_BLENDS):
            images = _blend(step >= before_hue, images, parameters, step)
        return images

    def _blur(self, images: Tensor, sigma: Tensor) -> Tensor:
        return gaussian_blur(images, sigma, self.blur_kernel)


def _blend(active: Tensor, images: Tensor, parameters: Parameters, step: int) -> Tensor:
    kind, factor = parameters["adjustments"][:, step], parameters["factors"][:, step]
    return where(active & (factor != 1), images, adjust, kind, factor)


def where(active: Tensor, images: Tensor, change: Callable[..., Tensor], *amounts: Tensor) -> Tensor:
    """Return ``images`` with ``change(images, *amounts)`` for those whose ``active (B,)`` is true.

    On the CPU only these are computed, and overwrite ``images``. On other devices all are computed, as the
    selection would make the host wait for the device.
    """
    compute = _selected if images.device.type == "cpu" else _masked
    return compute(active, images, change, *amounts)


def _selected(active: Tensor, images: Tensor, change: Callable[..., Tensor], *amounts: Tensor) -> Tensor:
    rows = active.nonzero().squeeze(1)
    if len(rows) == 0:
        return images
    if len(rows) == len(images):
        return change(images, *amounts).contiguous()
    return images.index_copy_(0, rows, change(images[rows], *(amount[rows] for amount in amounts)))


def _masked(active: Tensor, images: Tensor, change: Callable[..., Tensor], *amounts: Tensor) -> Tensor:
    mask = active.view(-1, *[1] * (images.ndim - 1))
    return torch.where(mask, change(images, *amounts), images)


def gaussian_blur(images: Tensor, sigma: Tensor, kernel_size: int) -> Tensor:
    """Blur rows, then columns, with one width per sample and reflected borders, as in torchvision.

    One convolution with each image as a channel is faster than one matrix product per image.

    Args:
        images: ``(B, 3, [T,] H, W)`` float.
        sigma: Standard deviation in pixels ``(B,)``, above 0.
        kernel_size: Taps, odd; reduced for images that are too small to reflect their borders.
    """
    planes = images.flatten(1, -3)  # (B, 3 T, H, W)
    blurred = _along_rows(planes, sigma, kernel_size)
    blurred = _along_rows(blurred.transpose(-1, -2), sigma, kernel_size)
    return blurred.transpose(-1, -2).reshape(images.shape)


def _along_rows(planes: Tensor, sigma: Tensor, kernel_size: int) -> Tensor:
    num_samples, num_images, height, width = planes.shape
    radius = min(kernel_size // 2, width - 1)
    taps = torch.arange(-radius, radius + 1, device=sigma.device)
    kernels = torch.softmax(-0.5 * (taps / sigma.unsqueeze(1)).square(), dim=1)  # (B, taps)
    kernels = kernels.repeat_interleave(num_images, dim=0, output_size=num_samples * num_images)
    padded = F.pad(planes, (radius, radius, 0, 0), mode="reflect")
    channels = padded.reshape(1, -1, height, width + 2 * radius)
    return F.conv2d(channels, kernels[:, None, None, :], groups=channels.shape[1]).view(planes.shape)
