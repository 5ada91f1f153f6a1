"""Any PyTorch network as an encoder: feature maps are the outputs of its submodules, by name."""

from __future__ import annotations

import copy
import itertools
import math
import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from impasto.errors import ParameterError, unknown_name

_SMALLEST_STD = 1e-12  # dividing by a smaller std would only amplify rounding errors


class _AllCaptured(Exception):
    """Ends a forward pass once all requested outputs are captured."""


def from_module(
    module: nn.Module,
    *,
    layers: Sequence[str] | Mapping[str, str],
    mean: Sequence[float],
    std: Sequence[float],
    input_range: float = 1.0,
    order: Literal["RGB", "BGR"] = "RGB",
) -> ModuleEncoder:
    """Wrap a network that takes one batch of pictures.

    The network is copied; the caller's network keeps its mode, gradients and in-place layers.

    Args:
        module: called with (N, 3, H, W), (pixel · input_range − mean) / std in the given channel order.
        layers: names of submodules from ``module.named_modules()``, or public name -> name of a submodule.
        mean: three numbers in ``order``, in units of ``input_range``.
        std: three numbers above 0, in the same order and units.
        input_range: the network's value of white, usually 1 or 255.
        order: the channel order that the network was trained with.

    Raises:
        ParameterError: an unknown submodule, no layers, or numbers out of range.
    """
    return ModuleEncoder(module, layers=layers, mean=mean, std=std, input_range=input_range, order=order)


class ModuleEncoder:
    """A callable ``(image, layers) -> {layer: features}`` around a frozen copy of a network.

    ``layers`` are the public names in the order in which the network computes them. If a pass calls a submodule
    several times, its first output is used. Threads may share one encoder; a lock serialises their calls.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        layers: Sequence[str] | Mapping[str, str],
        mean: Sequence[float],
        std: Sequence[float],
        input_range: float = 1.0,
        order: Literal["RGB", "BGR"] = "RGB",
    ) -> None:
        paths = dict(layers) if isinstance(layers, Mapping) else {name: name for name in layers}
        known = {path for path, _ in module.named_modules() if path}
        if not paths:
            raise ParameterError("layers: expected at least one submodule, got none")
        for path in paths.values():
            if path not in known:
                raise unknown_name("layer", path, (name for name, _ in module.named_modules() if name))
        if order not in ("RGB", "BGR"):
            raise unknown_name("channel order", order, ("RGB", "BGR"))
        finite = all(math.isfinite(value) for value in (*mean, *std, input_range))
        if len(mean) != 3 or len(std) != 3 or not finite or min(std) < _SMALLEST_STD or input_range <= 0:
            raise ParameterError(
                "input: expected three numbers for the mean, three above 0 for the std and a range above 0, "
                f"got {tuple(mean)}, {tuple(std)} and {input_range}"
            )
        self.name = type(module).__name__
        self._module = copy.deepcopy(module).eval().requires_grad_(False)
        for submodule in self._module.modules():
            # ReLU(inplace=True) would overwrite the feature map of the layer before it.
            if getattr(submodule, "inplace", False) is True:
                submodule.inplace = False  # type: ignore[assignment]
        self._order = order
        self._range = float(input_range)
        numbers = itertools.chain(module.parameters(), module.buffers())
        device = next((tensor.device for tensor in numbers), None)  # the network may be on a GPU
        self._mean = torch.tensor([float(value) for value in mean], device=device).view(1, 3, 1, 1)
        self._std = torch.tensor([float(value) for value in std], device=device).view(1, 3, 1, 1)
        # Layers whose output the network later changes in place, as in out += x.
        self._overwritten: set[str] = set()
        self._lock = threading.Lock()

        self._paths = paths
        rank = {path: at for at, path in enumerate(_executed(self._module, set(paths.values())))}
        self._paths = dict(sorted(paths.items(), key=lambda item: rank[item[1]]))
        self.layers: tuple[str, ...] = tuple(self._paths)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights, and of the features."""
        numbers = (p.dtype for p in self._module.parameters() if p.is_floating_point())
        return next(numbers, self._mean.dtype)

    def to(self, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """Move and cast the network, in place."""
        self._module.to(device=device, dtype=dtype)
        # As in VGG: subtracting the mean in half precision would have an error of an 8-bit level.
        keep = torch.float64 if dtype == torch.float64 else torch.float32
        self._mean = self._mean.to(device=device, dtype=keep if dtype is not None else None)
        self._std = self._std.to(device=device, dtype=keep if dtype is not None else None)
        return self

    def __call__(self, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """Feature maps of ``layers``, differentiable with respect to the image.

        The forward pass ends after the last of them.

        Args:
            image: (N, 3, H, W), RGB in [0, 1]. Values outside are not clamped.
            layers: names in ``self.layers``.

        Returns:
            layer name -> the submodule's output, in the order of ``self.layers``.

        Raises:
            ParameterError: an unknown layer, a layer that this forward pass never called, or a layer whose output is
                not a tensor.
        """
        for name in layers:
            if name not in self._paths:
                raise unknown_name("layer", name, self.layers)
        if not layers:
            return {}
        wanted = {name: self._paths[name] for name in self.layers if name in layers}
        x = image.flip(1) if self._order == "BGR" else image
        x = ((x * self._range - self._mean) / self._std).to(self.dtype)
        with self._lock:
            captured, overwritten = self._run(x, set(wanted.values()))
            if overwritten:
                # From now on these outputs are copied when captured, so this second pass runs only once.
                self._overwritten |= overwritten
                captured, _ = self._run(x, set(wanted.values()))
        for name, path in wanted.items():
            if path not in captured:
                raise ParameterError(f"layer {name}: {self.name} did not use this submodule for this image")
        return {name: captured[path] for name, path in wanted.items()}

    def _run(self, x: Tensor, paths: set[str]) -> tuple[dict[str, Tensor], set[str]]:
        """One forward pass -> outputs by submodule, and the submodules whose output was changed in place later."""
        captured: dict[str, Tensor] = {}
        versions: dict[str, int] = {}
        # Inference tensors have no version counter.
        counted = not torch.is_inference_mode_enabled()

        def hook_for(path: str) -> Any:
            def hook(module: nn.Module, inputs: object, output: object) -> None:
                if path in captured:
                    return
                if not isinstance(output, Tensor):
                    kind = type(output).__name__
                    raise ParameterError(
                        f"layer {path}: expected a submodule that returns a tensor, got {kind}"
                    )
                copied = path in self._overwritten or not counted
                captured[path] = output.clone() if copied else output
                versions[path] = -1 if copied else output._version
                if len(captured) == len(paths):
                    raise _AllCaptured

            return hook

        submodules = dict(self._module.named_modules(remove_duplicate=False))
        handles = [submodules[path].register_forward_hook(hook_for(path)) for path in paths]
        try:
            self._module(x)
        except _AllCaptured:
            pass
        finally:
            for handle in handles:
                handle.remove()
        overwritten = {
            path for path, version in versions.items() if version >= 0 and captured[path]._version != version
        }
        return captured, overwritten


def _executed(module: nn.Module, paths: set[str]) -> list[str]:
    """The submodules in the order in which a forward pass completes them, followed by those it does not call.

    The pass runs on the meta device, where tensors have shapes but no data, so its cost is negligible. For a network
    that cannot run there, or not at 224 pixels, the order of ``named_modules()`` is used.
    """
    order: list[str] = []
    submodules = {path: part for path, part in module.named_modules(remove_duplicate=False) if path in paths}

    def hook_for(path: str) -> Any:
        return lambda *_: None if path in order else order.append(path)

    handles = [part.register_forward_hook(hook_for(path)) for path, part in submodules.items()]
    try:
        tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
        kind = next((tensor.dtype for tensor in shapes.values() if tensor.is_floating_point()), torch.float32)
        with torch.no_grad():
            torch.func.functional_call(
                module, shapes, (torch.empty(1, 3, 224, 224, device="meta", dtype=kind),)
            )
    except Exception:  # any failure only makes the order less reliable
        order.clear()
    finally:
        for handle in handles:
            handle.remove()
    return order + [path for path in submodules if path not in order]
