"""The encoder of a stream, as the file declares it."""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

Channel = Annotated[int, Field(ge=0, le=255)]
HERE: Final = (
    "architecture",
    "background",
    "deterministic",
    "device",
    "dtype",
    "max_length",
    "normalise",
    "pooling",
    "prefix",
    "revision",
    "weights_sha256",
)
THERE: Final = ("api_key", "served_model")


class EncoderConfig(BaseModel):
    """The encoder that should be serving: `bundled` (all-MiniLM-L6-v2), a local directory, a hub name, or the URI of a
    model in MLflow (`models:/name/3`, `models:/name@champion`, `runs:/id/path`).

    Where the directory has an image model, inputs are images, and what is transparent in them is laid on `background`.
    So they are where `model` is a file of weights (.safetensors) with its `architecture`, such as `timm/resnet18`.
    A graph (.pt2 of `torch.export`, .onnx) takes texts where it has an input `input_ids`, else arrays.
    `prefix` is put before each text, "" for none where the model declares one; only weights of `weights_sha256` load.
    `dtype` is that of the products (images: of all weights); bfloat16 is float32 on a CPU that is slower in it.
    `device` is one of torch's, by default CUDA where there is one.
    `deterministic` gives an input the same bits whatever is encoded with it, and is slower.

    Or the address of an endpoint of OpenAI's kind (`https://…/v1/embeddings`), which is then asked for `served_model`,
    with `api_key`; how it pools and how much it takes is decided there.
    `threads` are torch's, for the whole process; fewer than there are cores is faster where cores are shared.
    `candidates` are models that may be served instead by mistake (an older version, the next one): diagnoses try them.
    `price_per_hour` is what the machine costs, in any currency: `/metrics` tells what encoding costs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = "bundled"
    revision: str | None = None
    architecture: str | None = None
    background: tuple[Channel, Channel, Channel] = (255, 255, 255)
    pooling: Literal["mean", "cls", "max", "lasttoken", "weightedmean", "mean_sqrt_len", "head"] | None = None
    normalise: bool | None = None
    max_length: int | None = Field(default=None, ge=1)
    prefix: str | None = None
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: Annotated[str, Field(pattern=r"^(cpu|mps|(cuda|xpu)(:\d+)?)$")] | None = None
    deterministic: bool = False
    threads: int | None = Field(default=None, ge=1)
    served_model: str = ""
    api_key: SecretStr | None = None
    candidates: tuple[str, ...] = ()
    price_per_hour: float = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        remote = self.model.startswith(("http://", "https://"))
        if remote and "@" in self.model.split("/")[2]:
            raise ValueError("an endpoint's address goes into logs and metrics: put its key into `api_key`")
        for name in HERE if remote else THERE:
            if getattr(self, name) != type(self).model_fields[name].default:
                why = "decided by the endpoint" if remote else "for an endpoint: give its address as `model`"
                raise ValueError(f"`{name}` is {why}, and the model is {self.model!r}")
        return self

    @property
    def declared(self) -> str:
        """What is said of the vectors that it should give."""
        names = {"model", "revision", "pooling", "normalise", "max_length"}
        said = self.model_dump(include=names, exclude_none=True)
        others = {"architecture", "background", "deterministic", "dtype", "prefix", "served_model", "weights_sha256"}
        # By default a text has the prefix that the model declares, which "" takes away.
        said |= self.model_dump(include=others, exclude_defaults=True)
        return ", ".join(f"{name} {value}" for name, value in said.items())
