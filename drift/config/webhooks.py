"""Who is asked to retrain, and how a model may be asked for."""

import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from drift.config.values import Duration, Http
from drift.records import RetrainPolicy

Adapter = Literal["webhook", "airflow", "prefect", "argo", "github", "kubeflow", "dagster"]
EventKind = Literal["retrain", "alert", "digest", "gate"]

_PART: Final = r"[^/\s]+"
_TARGETS: Final[dict[str, tuple[str, str]]] = {
    "airflow": (_PART, "the id of the DAG"),
    "prefect": (_PART, "the id of the deployment"),
    "github": (f"{_PART}/{_PART}", "owner/repository"),
    "kubeflow": (f"{_PART}/{_PART}", "the ids of the pipeline and of its version: pipeline/version"),
    "dagster": (f"{_PART}/{_PART}/{_PART}", "location/repository/job"),
}
"""What `target` names, by adapter; the others have none."""


class WebhookConfig(BaseModel):
    """Who is told of `events`: requests to retrain and, where asked for, alerts, the daily digest of tickets, and
    what gates and canaries decide (`gate`).

    The secret is `whsec_` and base64 of 24 bytes or more, from `${ENV}` or a file; two of them, separated by a space or
    a line, sign both while one takes the other's place. An `adapter` starts a run natively instead: of the `target`
    there, with a bearer `token`. Plain http and private addresses must be allowed: those of `allow_networks`, or with
    `allow_http` all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
    url: Http
    adapter: Adapter = "webhook"
    target: str = ""
    secret: SecretStr | None = None
    secret_file: Path | None = None
    token: SecretStr | None = None
    token_file: Path | None = None
    events: tuple[EventKind, ...] = Field(default=("retrain",), min_length=1)
    allow_http: bool = False
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @model_validator(mode="after")
    def _keys(self) -> Self:
        signs = self.adapter == "webhook"
        if signs and (self.secret is None) == (self.secret_file is None):
            raise ValueError("a webhook needs either `secret` or `secret_file`")
        if not signs and (self.secret or self.secret_file):
            raise ValueError(f"{self.adapter} verifies no signature: leave `secret` out, and give a `token` if it asks")
        if signs and (self.token or self.token_file):
            raise ValueError("a webhook is signed by its `secret` and carries no token: leave `token` out")
        if self.token and self.token_file:
            raise ValueError("a token is given twice: keep either `token` or `token_file`")
        return self

    @model_validator(mode="after")
    def _aim(self) -> Self:
        if self.adapter not in _TARGETS:
            if self.target:
                raise ValueError(f"{self.target!r}: {self.adapter} takes no `target`: its url says it all")
            return self
        form, meaning = _TARGETS[self.adapter]
        if not re.fullmatch(form, self.target):
            raise ValueError(f"{self.adapter} needs a `target`, {meaning}, found {self.target!r}")
        if self.events != ("retrain",):
            raise ValueError(f"{self.adapter} starts runs: `events` may be [retrain] alone, found {list(self.events)}")
        return self

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.url.startswith("http://") and not (self.allow_http or self.allow_networks):
            raise ValueError(
                f"{self.url} is not https: use https, or set `allow_http: true` (or `allow_networks`) on a network you "
                "trust"
            )
        return self


class RetrainPolicyConfig(BaseModel):
    """How a model may be asked for: not again within `cooldown`, and with `approval` only once a person agrees.

    A request of which no pipeline has told anything for `feedback_within` has failed, so that others may follow.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cooldown: Duration = timedelta(hours=24)
    approval: bool = False
    feedback_within: Duration = timedelta(days=7)

    @property
    def policy(self) -> RetrainPolicy:
        return RetrainPolicy(self.cooldown, self.approval, self.feedback_within)


class RetrainConfig(RetrainPolicyConfig):
    """The same for all models, but for those in `models` by name.

    `mlflow_secret` is that of a webhook of MLflow 3 on `model_version.created`, to `/v1/mlflow`: a version that is
    registered under the model's name is then the success of its request.
    """

    mlflow_secret: SecretStr | None = Field(default=None, min_length=24)
    models: dict[str, RetrainPolicyConfig] = {}

    def of(self, model: str) -> RetrainPolicy:
        """How `model` may be asked for."""
        return self.models.get(model, self).policy
