"""Kernels of our own for the processor: 3 × 3 convolutions in float32, and the pooling between them.

What lives here: the C files, how they are compiled (:mod:`impasto.kernels.build`), found and run on several threads
(:mod:`impasto.kernels.library`), and one module for each kernel. What does not: networks, and the choice between
these kernels and torch's (:mod:`impasto.encoders.convolution`).

The face for other networks is :func:`impasto.kernels.convolve.convolve`, which autograd can differentiate. Where the
library was not built, or the processor has neither AVX2 nor NEON, :func:`impasto.kernels.library.library` is None
and whoever asked uses torch.
"""
