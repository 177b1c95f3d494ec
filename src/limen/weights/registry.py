"""The files of weights that networks of Limen need, with what tells each from any other file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from limen.errors import UnknownNameError


@dataclass(frozen=True)
class WeightsFile:
    """A published file of weights.

    Attributes:
        name: What it is called in a folder of weights; the name that torch hub's cache has for it.
        holds: What it holds, in words.
        sha256: The SHA-256 of its bytes.
        size: How many bytes it has; None where that is not known beforehand.
        addresses: Where it can be downloaded, the first first. They have been seen to give these very bytes.
        licence: The licence that its authors state for it.
        needed_by: The specs of what needs it.
        page: Where its authors publish it, if that is none of the addresses.
    """

    name: str
    holds: str
    sha256: str
    size: int | None
    addresses: tuple[str, ...]
    licence: str
    needed_by: tuple[str, ...]
    page: str = ""

    @property
    def megabytes(self) -> str:
        """Its size for people.

        Example:
            >>> FILES["alexnet-owt-7be5be79.pth"].megabytes
            '244.4 MB'
        """
        if self.size is None:
            return "size unknown"
        return f"{self.size / 1e6:.1f} MB" if self.size >= 1e5 else f"{self.size / 1e3:.1f} kB"


_TORCHVISION = "BSD-3-Clause (torchvision)"
_NOT_STATED = "none stated"
_PYTORCH = "https://download.pytorch.org/models"
_LPIPS = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/082bb24f84c091ea94de2867d34c4544f68e0963"
_DEEPGAZE = "https://github.com/matthias-k/DeepGaze/releases/download/v1.0.0"


def _heads(network: str, sha256: str, size: int, needed_by: str) -> WeightsFile:
    return WeightsFile(
        name=f"lpips_v0.1_{network}.pth",
        holds=f"LPIPS v0.1, linear heads for {network}",
        sha256=sha256,
        size=size,
        addresses=(f"{_LPIPS}/lpips/weights/v0.1/{network}.pth",),
        licence="BSD-2-Clause",
        needed_by=(needed_by,),
    )


def _backbone(name: str, holds: str, sha256: str, size: int, *needed_by: str) -> WeightsFile:
    return WeightsFile(
        name, f"{holds}, trained on ImageNet", sha256, size, (f"{_PYTORCH}/{name}",), _TORCHVISION, needed_by
    )


_ALL = (
    _backbone(
        "alexnet-owt-7be5be79.pth",
        "AlexNet",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        244_408_911,
        "lpips",
    ),
    _backbone(
        "vgg16-397923af.pth",
        "VGG16",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        553_433_881,
        "lpips:network=vgg",
        "dists",
    ),
    _backbone(
        "squeezenet1_1-b8a52dc0.pth",
        "SqueezeNet 1.1",
        "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        4_958_839,
        "lpips:network=squeeze",
    ),
    _heads("alex", "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0", 6009, "lpips"),
    _heads(
        "vgg", "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868", 7289, "lpips:network=vgg"
    ),
    _heads(
        "squeeze",
        "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76",
        10811,
        "lpips:network=squeeze",
    ),
    WeightsFile(
        name="dists_weights-f5e65c96.pt",
        holds="DISTS, weights of its feature maps",
        sha256="f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
        size=12_288,
        addresses=(
            "https://raw.githubusercontent.com/dingkeyan93/DISTS/"
            "1267d8cb626c98706db3697422701c56a85ebf2e/DISTS_pytorch/weights.pt",
            "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/DISTS_weights-f5e65c96.pth",
        ),
        licence="MIT",
        needed_by=("dists",),
    ),
    WeightsFile(
        name="PieAPPv0.1.pth",
        holds="PieAPP v0.1",
        sha256="0937b01480c7a637ae3018af755faa8ecde4788b52bb246b7ae62cf96fb6baf0",
        size=None,
        addresses=("https://github.com/photosynthesis-team/piq/releases/download/v0.5.4/PieAPPv0.1.pth",),
        licence=_NOT_STATED,
        needed_by=("pieapp",),
        page="https://github.com/prashnani/PerceptualImageError",
    ),
    WeightsFile(
        name="u2net.pth",
        holds="U²-Net for salient objects",
        sha256="10025a17f49cd3208afc342b589890e402ee63123d6f2d289a4a0903695cce58",
        size=176_290_937,
        addresses=(
            "https://huggingface.co/Carve/u2net-universal/resolve/"
            "10305d785481cf4b2eee1d447c39cd6e5f43d74b/full_weights.pth",
        ),
        licence="Apache-2.0",
        needed_by=("u2net",),
        page="https://github.com/xuebinqin/U-2-Net",
    ),
    WeightsFile(
        name="isnet-general-use.pth",
        holds="IS-Net, for general use",
        sha256="9e1aafea58f0b55d0c35077e0ceade6ba1ba2bce372fd4f8f77215391f3fac13",
        size=None,
        addresses=(
            "https://huggingface.co/NimaBoscarino/IS-Net_DIS-general-use/resolve/main/isnet-general-use.pth",
        ),
        licence="Apache-2.0",
        needed_by=("isnet",),
        page="https://github.com/xuebinqin/DIS",
    ),
    WeightsFile(
        name="deepgaze2e.pth",
        holds="DeepGaze IIE",
        sha256="49b65724184f43a2b60426c29c12fd2b743b47ad9eb3435d3dd28e50ea4e2585",
        size=419_676_716,
        addresses=(f"{_DEEPGAZE}/deepgaze2e.pth",),
        licence=_NOT_STATED,
        needed_by=("deepgaze",),
    ),
)

FILES: Mapping[str, WeightsFile] = MappingProxyType({file.name: file for file in _ALL})
"""Every file of the registry by its name."""


def files_of(word: str) -> list[WeightsFile]:
    """The file of this name, or all files that what this spec names needs.

    Raises:
        UnknownNameError: If it is neither a file of the registry nor a spec that needs one.

    Example:
        >>> [file.name for file in files_of("lpips:network=squeeze")]
        ['squeezenet1_1-b8a52dc0.pth', 'lpips_v0.1_squeeze.pth']
    """
    if word in FILES:
        return [FILES[word]]
    found = [file for file in FILES.values() if word in file.needed_by]
    if not found:
        known = [*FILES, *dict.fromkeys(spec for file in FILES.values() for spec in file.needed_by)]
        raise UnknownNameError("file of weights", word, known)
    return found
