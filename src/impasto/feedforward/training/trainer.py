"""One training step, and the state that it changes."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from impasto.encoders import VGG
from impasto.errors import WeightsError
from impasto.feedforward import weights
from impasto.feedforward.network import Network
from impasto.feedforward.training import objective
from impasto.feedforward.training.batches import SHIFT, Batch
from impasto.feedforward.training.checkpoint import Checkpoint
from impasto.feedforward.training.recorded import Recorded
from impasto.feedforward.training.settings import Settings

_BETAS = (0.9, 0.99)


class Trainer:
    """A network in training.

    Args:
        vgg: the network of the perceptual losses; on the device, in the settings' precision.
        record: replay steps as a CUDA graph (:mod:`impasto.feedforward.training.recorded`).

    Attributes:
        network: with the weights of the last step.
        average: with the running mean of the weights, which is saved at the end.
        step: steps done.
    """

    def __init__(
        self, settings: Settings, vgg: VGG, *, device: torch.device | str, record: bool = False
    ) -> None:
        self.settings = settings
        self.step = 0
        self._vgg = vgg
        self._recording = record
        self._recorded: Recorded | None = None
        self._device = torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network = Network(settings.architecture)
            reader = objective.CodeReader(settings.architecture.code)
        self.network = weights.channels_last(network.to(self._device))
        self._reader = reader.to(self._device)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self._trained = [*self.network.parameters(), *self._reader.parameters()]
        self._optimizer = torch.optim.Adam(self._trained, lr=settings.rate, betas=_BETAS, fused=True)

    def train(self, batch: Batch, rate: float) -> dict[str, Tensor]:
        """One step.

        Args:
            rate: the learning rate.

        Returns:
            Unweighted terms, averaged over the batch, and their weighted sum as "loss"; on the device.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        terms = self._gradients(batch)
        norm = nn.utils.clip_grad_norm_(self._trained, self.settings.gradient_norm)
        self._optimizer.step()
        self.step += 1
        self._average()
        return terms | {"gradient": norm}

    def _gradients(self, batch: Batch) -> dict[str, Tensor]:
        """Set the gradient of the loss, and return the terms."""
        if not self._recording:
            return self._backward(batch)
        if self._recorded is None or not self._recorded.fits(batch):
            self._recorded = None  # free the old graph's memory first
            self._recorded = Recorded.of(self._backward, batch)
        return self._recorded(batch)

    def _backward(self, batch: Batch) -> dict[str, Tensor]:
        self._optimizer.zero_grad(set_to_none=True)
        terms = self._terms(batch)
        terms["loss"].backward()  # type: ignore[no-untyped-call]
        return {name: term.detach() for name, term in terms.items()}

    def _terms(self, batch: Batch) -> dict[str, Tensor]:
        mixed_precision = torch.autocast(
            self._device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16"
        )
        aim = objective.targets(self._vgg, batch.contents, batch.styles)
        with mixed_precision:
            codes = self.network.encode(batch.styles)
            code = torch.lerp(codes[batch.first], codes[batch.second], batch.share[:, None].to(codes.dtype))
            painted = self.network(batch.contents, code)
            again = self.network(batch.moved, code[-len(batch.moved) :])
        aims = {
            layer: objective.between(moments, batch.first, batch.second, batch.share)
            for layer, moments in aim.style.items()
        }
        judged = objective.loss_terms(self._vgg, painted, objective.Targets(aim.content, aims))
        # With its own style, a content should be reproduced exactly; the weight falls quadratically towards another
        # style.
        off = (painted[: batch.own] - batch.contents[: batch.own]).abs().mean((1, 2, 3))
        pixels = (1 - batch.share[: batch.own]) ** 2 * off
        terms = {name: term.mean() for name, term in judged.items()}
        terms |= {
            "style": objective.mean_style_term(judged).mean(),
            "pixels": pixels.sum() / len(painted),
            "steady": _instability(painted[-len(again) :], again, batch),
            "range": objective.range_excess(painted).mean(),
            "smooth": objective.total_variation(painted).mean(),
            "code": self._reader(codes.float(), aim.style).mean(),
        }
        counts = vars(self.settings.weights)
        terms["loss"] = torch.stack([weight * terms[name] for name, weight in counts.items()]).sum()
        return terms

    def _average(self) -> None:
        # For the first steps, the mean is over a number of steps that grows with ``step``.
        decay = min(self.settings.averaging, (1 + self.step) / (10 + self.step))
        own: list[Tensor] = list(self.average.parameters())
        new: list[Tensor] = list(self.network.parameters())
        with torch.no_grad():
            torch._foreach_lerp_(own, new, 1.0 - decay)

    def checkpoint(self) -> Checkpoint:
        """A copy of everything that the next step depends on, on the device."""
        tensors = {name: tensor.detach().clone() for name, tensor in self._state()}
        return Checkpoint(tensors, self.step, weights.to_json(self.settings.architecture))

    def restore(self, checkpoint: Checkpoint) -> None:
        """Set the state to a checkpoint.

        Raises:
            WeightsError: the checkpoint has another architecture.
        """
        if checkpoint.architecture != weights.to_json(self.settings.architecture):
            raise WeightsError(
                f"checkpoint: expected the architecture {weights.to_json(self.settings.architecture)}, "
                f"got {checkpoint.architecture}"
            )
        self._prepare_optimizer(checkpoint.step)
        with torch.no_grad():
            for name, tensor in self._state():
                tensor.copy_(checkpoint.tensors[name])
        self.step = checkpoint.step

    def _prepare_optimizer(self, step: int) -> None:
        """Create Adam's moments, which Adam itself creates at its first step, and set its step count."""
        for parameter in self._trained:
            state = self._optimizer.state[parameter]
            state["step"] = torch.tensor(float(step), device=parameter.device)
            for moment in ("exp_avg", "exp_avg_sq"):
                state.setdefault(moment, torch.zeros_like(parameter))

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        for part, module in (("network", self.network), ("average", self.average), ("reader", self._reader)):
            for name, tensor in module.state_dict().items():
                yield f"{part}.{name}", tensor
        for index, parameter in enumerate(self._trained):
            state = self._optimizer.state.get(parameter, {})
            for moment in ("exp_avg", "exp_avg_sq"):
                yield f"{moment}.{index}", state.get(moment, torch.zeros_like(parameter))


def _instability(first: Tensor, second: Tensor, batch: Batch) -> Tensor:
    """Mean squared difference between the results of a content and of its shifted copy, where they overlap."""
    own = first[..., SHIFT:-SHIFT, SHIFT:-SHIFT]
    return (own - second.index_select(2, batch.rows).index_select(3, batch.columns)).square().mean()
