"""Cross-entropy of answer tokens only, with logits for a few positions at a time."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_POSITIONS = 128


def answer_loss(hidden: Tensor, head: Tensor, labels: Tensor, answer_tokens: int) -> Tensor:
    """Return the fp32 loss sum over `answer_tokens` for hidden [positions, width], head [vocabulary, width].

    `answer_tokens` counts the labels of the whole optimiser step, so that packs add up to the mean over its tokens.
    """
    loss: Tensor = _AnswerLoss.apply(hidden, head, labels, answer_tokens)  # type: ignore[no-untyped-call]
    return loss


class _AnswerLoss(torch.autograd.Function):
    """Takes the gradient along with the loss, so that no [positions, vocabulary] array outlives its chunk."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, labels: Tensor, answer_tokens: int) -> Tensor:
        grad = torch.empty_like(hidden)
        total = hidden.new_zeros((), dtype=torch.float32)
        for start in range(0, len(hidden), CHUNK_POSITIONS):
            chunk = slice(start, start + CHUNK_POSITIONS)
            log_probabilities = (hidden[chunk] @ head.T).float().log_softmax(-1)
            targets = labels[chunk, None]
            total -= log_probabilities.gather(1, targets).sum()
            difference = log_probabilities.exp_()
            difference.scatter_add_(1, targets, torch.full_like(targets, -1, dtype=torch.float32))
            grad[chunk] = (difference / answer_tokens).to(hidden.dtype) @ head
        ctx.save_for_backward(grad)
        return total / answer_tokens

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor, None, None, None]:
        (grad,) = ctx.saved_tensors
        return grad * grad_loss.to(grad.dtype), None, None, None
