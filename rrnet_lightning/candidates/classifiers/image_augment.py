"""ImageAugment: random crop, flip, cutout and mixup of a batch of images on its own device."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rrnet_lightning.errors import DataError


class ImageAugment(nn.Module):
    """Vary images and their targets, each sample on its own; called in training only.

    In this order: random crop of the image padded by its reflection; horizontal flip of one in two; cutout of a square
    (DeVries and Taylor 2017), centred anywhere and filled with the batch's mean colour; mixup (Zhang et al. 2018),
    x <- λ x + (1 - λ) x', target <- λ target + (1 - λ) target', with λ ~ Beta(α, α) and x' another sample of the batch.

    Args:
        pad: pixels of reflection on each side; the crop moves by -pad to pad. 0: no crop.
        flip: mirror left and right with probability 1/2.
        cutout: side of the square in pixels, less where it hangs over the border. 0: none.
        mixup: α of the Beta distribution. 0: none.

    Shapes:
        x: [B, 3, H, W] float, 0 to 1, H and W above `pad`.  target: [B, C] float, rows sum to 1.
        returns: both as they came, channels_last where x was.

    Raises:
        ValueError: a negative argument.
        DataError: x or target of another shape or kind.
    """

    def __init__(self, pad: int = 4, flip: bool = True, cutout: int = 0, mixup: float = 0.0) -> None:
        super().__init__()
        for name, value in (("pad", pad), ("cutout", cutout), ("mixup", mixup)):
            if value < 0:
                raise ValueError(f"{name}: found {value}, wanted 0 (off) or more")
        self.pad, self.flip, self.cutout, self.mixup = pad, flip, cutout, mixup

    def forward(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the varied images and their targets."""
        self._check(x, target)
        if self.pad or self.flip:
            x = self._crop_and_flip(x)
        if self.cutout:
            x = self._cut_out(x)
        if self.mixup:
            x, target = self._mix(x, target)
        return x, target

    def _check(self, x: Tensor, target: Tensor) -> None:
        if x.ndim != 4 or not x.is_floating_point() or min(x.shape[2:]) <= self.pad:
            raise DataError(
                f"x: found {list(x.shape)} {x.dtype}, wanted [B, 3, H, W] float with H and W above pad = {self.pad}"
            )
        if target.ndim != 2 or len(target) != len(x) or not target.is_floating_point():
            raise DataError(
                f"target: found {list(target.shape)} {target.dtype}, wanted [{len(x)}, C] float; "
                "make labels one-hot with torch.nn.functional.one_hot"
            )

    def _crop_and_flip(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        down = torch.randint(2 * self.pad + 1, (batch, 1), device=x.device)
        right = torch.randint(2 * self.pad + 1, (batch, 1), device=x.device)
        rows, columns = (torch.arange(n, device=x.device).expand(batch, n) for n in (height, width))
        if self.flip:
            mirrored = torch.rand(batch, 1, device=x.device) < 0.5
            columns = torch.where(mirrored, width - 1 - columns, columns)
        sample = torch.arange(batch, device=x.device)[:, None, None]
        # one gather for every sample's window; the colours, the dimension not indexed, come last: [B, H, W, 3]
        padded = F.pad(x, (self.pad,) * 4, mode="reflect").permute(0, 2, 3, 1)
        out = padded[sample, (rows + down)[:, :, None], (columns + right)[:, None, :]].permute(0, 3, 1, 2)
        return out.contiguous(memory_format=_format(x))

    def _cut_out(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        inside_rows, inside_columns = (self._inside(batch, n, x.device) for n in (height, width))
        hole = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]
        return torch.where(hole, x.mean((0, 2, 3), keepdim=True), x).contiguous(memory_format=_format(x))

    def _inside(self, batch: int, length: int, device: torch.device) -> Tensor:
        """[B, length] bool: positions in a stretch of `cutout` pixels around a random centre."""
        start = torch.randint(length, (batch, 1), device=device) - self.cutout // 2
        position = torch.arange(length, device=device)
        return (position >= start) & (position < start + self.cutout)

    def _mix(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        alpha = torch.full((len(x),), self.mixup, device=x.device)
        share = torch.distributions.Beta(alpha, alpha, validate_args=False).sample().to(x.dtype)
        partner = torch.randperm(len(x), device=x.device)
        x = torch.lerp(x[partner], x, share[:, None, None, None])
        return x, torch.lerp(target[partner], target, share[:, None].to(target.dtype))


def _format(x: Tensor) -> torch.memory_format:
    """The memory format to keep."""
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format
