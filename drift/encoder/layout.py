"""A model's directory: which files it has, and what it declares about pooling, normalisation and length."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drift.encoder.fingerprint import Pooling, sha256_of, sha256_of_all
from drift.errors import EncoderError

TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
VOCABULARY_FILES: Final = ("vocab.txt", "vocab.json", "merges.txt", "*.model")
KNOWN_MODULES: Final = ("Transformer", "Pooling", "Normalize")
MODULES_PACKAGE: Final = "sentence_transformers."
OF_MODEL: Final = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
"""What sentence-transformers named its file of a model's settings by, over the years; the first there counts."""
PROCESSOR: Final = "preprocessor_config.json"
"""How transformers writes what an image model does with images first."""
LEGACY_POOLING: Final = "pooling_mode_"

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Declared:
    """What a model's directory says of itself; None where it says nothing."""

    pooling: Pooling | None = None
    normalise: bool | None = None
    max_length: int | None = None
    prefix: str | None = None
    lowercase: bool = False


@dataclass(frozen=True, slots=True)
class Checksums:
    """sha256 of a model's weights, configuration and tokenizer, each as 64 hexadecimal digits."""

    weights: str
    config: str
    tokenizer: str


def is_image_model(folder: Path) -> bool:
    """Whether the directory has a model of images."""
    return (folder / PROCESSOR).is_file() or "architecture" in read(folder / "config.json")


def checksums(folder: Path) -> Checksums:
    """Read all files that decide the model's numbers. Raises EncoderError where one is missing."""
    config, weights = folder / "config.json", sorted(folder.glob("*.safetensors"))
    tokenizer = tokenizer_files(folder)
    if (adapter := folder / "adapter_config.json").is_file():
        raise EncoderError(
            f"a model needs all of its weights, {adapter} adapts another one's: merge the two and save them"
        )
    if not config.is_file():
        raise EncoderError(f"a model's directory needs config.json, {folder} has none: give the directory of a model")
    if not weights:
        pickles = ", ".join(sorted(path.name for path in folder.glob("*.bin"))) or "no weights at all"
        raise EncoderError(
            f"a model needs its weights as *.safetensors, {folder} has {pickles}: "
            "convert them with safetensors (pickled weights can run code and are never loaded)"
        )
    if not tokenizer:
        raise EncoderError(f"a text model needs its tokenizer (tokenizer.json or a vocabulary), {folder} has none")
    return Checksums(sha256_of_all(weights), sha256_of(config), sha256_of_all(tokenizer))


def tokenizer_files(folder: Path) -> list[Path]:
    """The files that decide how texts become tokens; none where there is no vocabulary."""
    return [path for pattern in TOKENIZER_FILES + VOCABULARY_FILES for path in sorted(folder.glob(pattern))]


def declared(folder: Path) -> Declared:
    """What a sentence-transformers directory declares; nothing for a plain transformers one.

    Raises EncoderError where it declares a step that is not supported: leaving it out would give other vectors.
    """
    listing = folder / "modules.json"
    if not listing.is_file():
        return Declared()
    modules = {kind_of(entry): folder / str(entry.get("path", "")) for entry in entries(listing)}
    if unknown := [kind for kind in modules if kind not in KNOWN_MODULES]:
        raise EncoderError(
            f"{listing} has the module {unknown[0]}, drift knows {', '.join(KNOWN_MODULES)}: "
            "choose another model, or send vectors and inputs without re-encoding"
        )
    home = modules.get("Transformer", folder)
    settings = next((found for kind in OF_MODEL if (found := read(home / f"sentence_{kind}_config.json"))), {})
    return Declared(
        pooling=pooling_of(modules["Pooling"] / "config.json") if "Pooling" in modules else None,
        normalise="Normalize" in modules,
        max_length=whole(settings.get("max_seq_length")),
        prefix=default_prompt(read(folder / "config_sentence_transformers.json")),
        lowercase=settings.get("do_lower_case") is True,
    )


def kind_of(entry: Json) -> str:
    """The class of a module, without the packages that it moved through over the years; of another library in full."""
    kind = str(entry.get("type", "?"))
    return kind.rpartition(".")[2] if kind.startswith(MODULES_PACKAGE) else kind


def pooling_of(path: Path) -> Pooling:
    """The pooling that a sentence-transformers module declares, in its old or its new way of writing; else the mean."""
    config = read(path)
    legacy = [key.removeprefix(LEGACY_POOLING) for key, on in config.items() if key.startswith(LEGACY_POOLING) and on]
    found = config.get("pooling_mode", legacy or Pooling.MEAN)
    modes = [str(mode) for mode in (found if isinstance(found, list) else [found])]
    one = modes[0].removesuffix("_token").removesuffix("_tokens") if len(modes) == 1 else ""
    if one not in tuple(Pooling) or config.get("include_prompt") is False:
        raise EncoderError(
            f"{path} declares pooling {' + '.join(modes) or 'by nothing'} with include_prompt "
            f"{config.get('include_prompt', True)}, drift knows one of {', '.join(Pooling)} over the whole input: "
            "choose another model"
        )
    return Pooling(one)


def default_prompt(config: Json) -> str | None:
    """The text that sentence-transformers puts before each input unless told otherwise."""
    prompts, name = config.get("prompts"), config.get("default_prompt_name")
    return str(prompts[name]) if isinstance(prompts, dict) and name in prompts else None


def whole(value: object) -> int | None:
    """The value if it is a whole number."""
    return value if isinstance(value, int) else None


def entries(path: Path) -> list[Json]:
    """A JSON list of objects, one per module."""
    found = parse(path)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise EncoderError(f"{path} needs a list of modules, found something else: copy the model again")
    return found


def read(path: Path) -> Json:
    """A JSON object; empty when there is no such file."""
    found = parse(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise EncoderError(f"{path} needs a JSON object, found {type(found).__name__}: copy the model again")
    return found


def parse(path: Path) -> object:
    """Any JSON value. Raises EncoderError where the file is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except ValueError as fault:
        raise EncoderError(f"{path} needs to be JSON, found {fault}: copy the model again") from fault
