"""Receivers that start a run natively, once for the id of a message as far as their API allows."""

from collections.abc import Mapping
from typing import Final

from drift.notify.adapters.airflow import Airflow
from drift.notify.adapters.argo import Argo
from drift.notify.adapters.base import Adapter
from drift.notify.adapters.dagster import Dagster
from drift.notify.adapters.github import GitHub
from drift.notify.adapters.kubeflow import Kubeflow
from drift.notify.adapters.prefect import Prefect

ADAPTERS: Final[Mapping[str, type[Adapter]]] = {
    kind.name: kind for kind in (Airflow, Argo, Dagster, GitHub, Kubeflow, Prefect)
}

__all__ = ["ADAPTERS", "Adapter", "Airflow", "Argo", "Dagster", "GitHub", "Kubeflow", "Prefect"]
