"""Kernels of our own for the processor: 3 × 3 convolutions in float32, and the pooling and sums between them.

What lives here: the C files, how they are compiled (:mod:`impasto.kernels.build`), found and run on several threads
(:mod:`impasto.kernels.compiled`), one module for each kernel, and the choice between these and torch's own ways
(:mod:`impasto.kernels.fastest`). What does not: networks. Encoders, losses and the engine may import it.

The face for other networks is :func:`impasto.kernels.convolve.convolve`, which autograd can differentiate. Where the
library was not built, or the processor has neither AVX2 nor NEON, :func:`impasto.kernels.compiled.library` is None
and whoever asked uses torch.
"""
