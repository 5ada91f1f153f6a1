"""Custom CPU kernels: 3 × 3 convolutions in float32, max pooling, and sums over pixels.

This package has the C files, the code that compiles them (:mod:`impasto.kernels.build`), loads them and runs them on
several threads (:mod:`impasto.kernels.compiled`), one module for each kernel, and the choice between the kernels and
torch's operators (:mod:`impasto.kernels.fastest`). It has no networks. Encoders, losses and the engine may import it.

The public function for other networks is :func:`impasto.kernels.convolve.convolve`, which autograd can differentiate.
Where the library was not built, or the CPU has neither AVX2 nor NEON, :func:`impasto.kernels.compiled.library`
returns None and callers use torch.
"""
