"""First derivatives that an estimator takes of its own accord."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

__all__ = ["slope_and_value"]

Terms = TypeVar("Terms")


def slope_and_value(
    total: Callable[[Tensor], tuple[Tensor, Terms]], point: Tensor, *, again: bool = False
) -> tuple[Tensor, Terms]:
    """The gradient of a sum at `point`, and what else was found on the way.

    `torch.func.grad` can be compiled, mapped and differentiated once more, and pays for that with
    several times the price of the plain derivative, which is taken where none of it is asked for.

    Args:
        total: the sum, and what is returned beside its gradient; that may carry one in parameters
            if gradients are enabled.
        again: whether the gradient is to be differentiated itself; otherwise it carries none.
    """
    # The compiler is asked about first: it cannot follow the question of what is mapped.
    if (
        again
        or torch.compiler.is_compiling()
        or torch._C._functorch.maybe_current_level() is not None
    ):
        found: tuple[Tensor, Terms] = torch.func.grad(total, has_aux=True)(point)
        return found
    kept = torch.is_grad_enabled()
    with torch.enable_grad():
        point = point.detach().requires_grad_()
        whole, rest = total(point)
        (slope,) = torch.autograd.grad(whole, point, retain_graph=kept)
    return slope, rest
