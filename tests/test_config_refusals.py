"""Values of the configuration file that would mean something else than they seem, or nothing: refused, with what works."""

import pytest

from drift.config import Config, load
from drift.errors import ConfigError

STREAM = "streams:\n  - {id: search, model: m, dim: 8, reference: {path: g.parquet}%s}\n"


@pytest.fixture
def written(tmp_path):
    def write(more: str = "", of_stream: str = "", **environment: str) -> Config:
        (tmp_path / "drift.yaml").write_text(STREAM % of_stream + more)
        return load(tmp_path / "drift.yaml", environment)

    return write


def objective(said: str) -> str:
    return f"slos:\n  - {{name: traffic, {said}}}\n"


def refusal(written, *words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        written(*words)
    (line,) = str(caught.value).splitlines()
    return line.split("drift.yaml:", 1)[1]


def test_a_bound_makes_as_many_windows_bad_as_it_says(written):
    said = "detector: joint, p_value_at_least: 0.05, alpha: 0.001"
    found = refusal(written, objective(said))
    assert found.startswith("4: slos.0: ")
    assert "leave `alpha` out, or lower `p_value_at_least` to 0.001" in found
    assert "alpha 0.05 would spend 100% of the budget" in refusal(written, objective(said.partition(", alpha")[0]))
    assert "slos.0: " in refusal(written, objective(said + ", effect_at_least: 0"))


@pytest.mark.parametrize("more", ["alpha: 0.005", "alpha: 0.006", "alpha: 0.001, effect_at_least: 0.02"])
def test_an_alpha_is_at_least_the_bound_unless_a_least_effect_lets_more_pass(written, more):
    written(objective(f"detector: joint, p_value_at_least: 0.005, {more}"))
