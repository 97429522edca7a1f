"""The configuration file: what it means, and how it says that it is wrong."""

import json
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.config import EXAMPLE, EncoderConfig, load, schema
from drift.config.values import format_duration, parse_duration
from drift.errors import ConfigError
from drift.slo import Quantity

LEAST = """\
streams:
  - id: search
    model: my-encoder
    dim: 768
    reference: {path: golden.parquet}
"""


@pytest.fixture
def written(tmp_path):
    def write(text: str, **environment: str):
        path = tmp_path / "drift.yaml"
        path.write_text(text)
        return load(path, environment)

    return write


def faults(written, text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        written(text, **environment)
    return [line.split("drift.yaml:", 1)[1] for line in str(caught.value).splitlines()]


def test_five_lines_are_enough(written):
    config = written(LEAST)
    (stream,) = config.streams
    assert (stream.stream.key, stream.stream.dim, stream.window) == ("search", 768, timedelta(minutes=5))
    slos = {slo.name: slo for slo in config.slos_of(stream, stream.stream)}
    slow = {f"slow-drift-x{windows}" for windows in (3, 12, 36)}
    assert {name for name, slo in slos.items() if not slo.tells_missing} == slow
    assert slos.keys() == {"traffic", "novelty", "rank", "spread", "duplicates", "precision", "valid"} | slow
    assert (slos["slow-drift-x12"].sli.detector, slos["slow-drift-x12"].interval) == (
        "mean_shift_x12",
        timedelta(hours=1),
    )
    assert (slos["traffic"].sli.quantity, slos["traffic"].alpha) == (Quantity.P_VALUE, Fraction("0.005"))
    assert all(slo.faults() == [] for slo in slos.values())


def test_the_example_is_a_file_that_works(written):
    secret = "whsec_" + "A" * 43 + "="
    assert written(EXAMPLE, RETRAIN_SECRET=secret).receivers.webhooks[0].secret.get_secret_value() == secret


def test_paths_are_relative_to_the_file(written, tmp_path):
    assert written(LEAST).streams[0].reference.path == tmp_path / "golden.parquet"


def test_an_encoder_brings_the_skew_objective(written):
    config = written(LEAST + "    encoder: {model: bundled}\n")
    assert "skew" in config.streams[0].detector_names


def test_an_encoders_precision_place_and_weights_are_declared_and_checked(written):
    said = (
        f'encoder: {{model: bundled, dtype: bfloat16, device: "cuda:1", prefix: "query: ", weights_sha256: {"a" * 64}}}'
    )
    (stream,) = written(LEAST + f"    {said}\n").streams
    spec = stream.encoder
    assert (spec.dtype, spec.device, spec.prefix, spec.weights_sha256) == ("bfloat16", "cuda:1", "query: ", "a" * 64)
    # Another precision makes another reference; the same numbers on another device do not.
    assert "dtype bfloat16" in spec.declared
    assert "prefix query: " in spec.declared
    assert "cuda" not in spec.declared
    bare, none = (EncoderConfig(model="bundled", prefix=prefix).declared for prefix in ("", None))
    assert (bare, none) == ("model bundled, prefix ", "model bundled")
    for wrong in ("dtype: int8", "device: gpu", "weights_sha256: 12ab"):
        with pytest.raises(ConfigError, match=wrong.partition(":")[0]):
            written(LEAST + f"    encoder: {{model: bundled, {wrong}}}\n")
    with pytest.raises(ConfigError, match="`dtype` is decided by the endpoint"):
        written(LEAST + "    encoder: {model: https://e.example/v1/embeddings, dtype: bfloat16}\n")


def test_an_encoder_brings_the_environment_unless_it_is_turned_off(written):
    (stream,) = written(LEAST + "    encoder: {model: bundled}\n").streams
    assert ("environment" in stream.measured_names, stream.looks_every) == (True, timedelta(days=1))
    assert "environment" not in written(LEAST).streams[0].measured_names
    off = LEAST.replace("reference: {", "reference: {recompute: null, ") + "    encoder: {model: bundled}\n"
    assert "environment" not in written(off).streams[0].measured_names


def test_windows_merge_up_to_a_week(written):
    (daily,) = written(LEAST + "    window: 1d\n").streams
    assert daily.merged == (3,)
    (stream,) = written(LEAST + "    merge: [2, 288]\n").streams
    assert stream.measured_names[-2:] == ["mean_shift_x2", "mean_shift_x288"]
    (without,) = written(LEAST + "    detectors: [mmd]\n").streams
    assert without.merged == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LEAST + "    window: 5m\n    window: 1h\n", "window is given twice"),
        (LEAST + "    ? [a, b]\n    : 1\n", "a key must be a word"),
        (LEAST + "slos: &all [*all]\n", "contains itself"),
        (LEAST + "    segments: {time: [a]}\n", "cannot be split by 'time'"),
        (LEAST + "    segments: {lang: [en, en]}\n", "name a value twice"),
    ],
)
def test_yaml_that_means_something_else_than_it_seems_is_refused(written, text, said):
    assert said in faults(written, text)[0]


def test_an_objective_may_be_calibrated_on_windows(written):
    mine = "slos:\n  - {name: traffic, detector: joint, p_value_at_least: 0.005, calibrate: windows}\n"
    config = written(LEAST + mine)
    (slo,) = [s for s in config.slos_of(config.streams[0], config.streams[0].stream) if s.name == "traffic"]
    assert str(slo.sli) == "joint p-value among past windows >= 0.005, or an effect surely below 0.01"
    assert slo.learning == timedelta(days=3) + 200 * timedelta(minutes=5)
    (fault,) = faults(written, LEAST + "    window: 1d\n    merge: []\n" + mine + "retention: {history: 150d}\n")
    assert "is calibrated on 204d" in fault


def test_what_objectives_look_back_on_must_be_kept(written):
    assert "history is kept for" in faults(written, LEAST + "retention: {history: 1h}\n")[0]
    assert "vectors are kept for" in faults(written, LEAST + "retention: {vectors: 1m}\n")[0]


def test_a_secret_is_not_repeated_in_an_error(written):
    text = LEAST + "receivers:\n  webhooks: [{name: x, url: 'https://x.example', secret: 123456789}]\n"
    assert "123456789" not in faults(written, text)[0]


def test_a_merge_too_long_for_its_budget_is_refused(written):
    assert "slow-drift-x40" in faults(written, LEAST + "    window: 1d\n    merge: [40]\n")[0]
    assert "greater than or equal to 2" in faults(written, LEAST + "    merge: [1]\n")[0]


def test_segments_are_streams_with_objectives_of_their_own(written):
    config = written(LEAST + "    segments: {tenant: [acme, globex]}\n")
    keys = [part.key for part in config.streams[0].streams]
    assert keys == ["search", "search/tenant=acme", "search/tenant=globex"]
    assert {slo.stream for part in config.streams[0].streams for slo in config.slos_of(config.streams[0], part)} == {
        *keys
    }


def test_an_objective_replaces_the_default_of_its_name(written):
    text = LEAST + "slos:\n  - {name: rank, detector: effective_rank, value_at_least: 0.5, target: 0.99}\n"
    config = written(text)
    (rank,) = [slo for slo in config.slos_of(config.streams[0], config.streams[0].stream) if slo.name == "rank"]
    assert (rank.target, rank.sli.at_least) == (Fraction("0.99"), 0.5)


def test_a_change_must_be_large_enough_to_matter_where_the_value_says_how_large_it_is(written):
    def least(more: str) -> dict[str, float | None]:
        config = written(LEAST + more)
        return {
            slo.name: slo.sli.effect_at_least for slo in config.slos_of(config.streams[0], config.streams[0].stream)
        }

    mine = "slos:\n  - {name: traffic, detector: joint, p_value_at_least: 0.001%s}\n"
    slow = "slos:\n  - {name: slow, detector: mean_shift_x12, p_value_at_least: 0.001, effect_at_least: 1e-5}\n"
    assert least("")["traffic"] == least(mine % "")["traffic"] == 0.01
    assert least(mine % ", effect_at_least: 0.05")["traffic"] == 0.05
    assert least(mine % ", effect_at_least: 0")["traffic"] is None
    assert (least(slow)["slow"], least("")["slow-drift-x12"], least("")["novelty"]) == (1e-5, None, None)


@pytest.mark.parametrize(
    ("text", "line", "field", "says"),
    [
        ("strems: []\n", 1, "strems", "did you mean `streams`"),
        (LEAST.replace("dim: 768", "dim: many"), 4, "streams.0.dim", "'many'"),
        (LEAST.replace("dim: 768", "dim: 0"), 4, "streams.0.dim", "greater than or equal to 1"),
        (LEAST.replace("    dim: 768\n", ""), 2, "streams.0.dim", "is required"),
        (LEAST + "    windw: 5m\n", 6, "streams.0.windw", "did you mean `window`"),
        (LEAST + "    window: 5\n", 6, "streams.0.window", "30s, 5m"),
        (LEAST + "    window: 0s\n", 6, "streams.0.window", "longer than zero"),
        (
            LEAST.replace("parquet}", "parquet, rows: 166_667}"),
            2,
            "streams.0",
            "may be 166666 at most where `dim` is 768",
        ),
        (LEAST + "    collector: {kind: parquet}\n", 6, "streams.0.collector", "needs `path`"),
        (LEAST + "slos:\n  - {name: x, detector: mmd}\n", 7, "slos.0", "p_value_at_least"),
        (LEAST + "slos:\n  - {name: x, detector: mmd, p_value_at_least: 2}\n", 7, "slos.0.p_value_at_least", "2"),
        (
            LEAST + "slos:\n  - {name: x, detector: mmd, p_value_at_least: 0.01, target: 95}\n",
            7,
            "slos.0.target",
            "0.95 would be 95 percent",
        ),
        (
            LEAST + "slos:\n  - {name: x, detector: novelty, p_value_at_least: 0.01, effect_at_least: 0.1}\n",
            7,
            "slos.0",
            "the value of novelty is not the size of a change",
        ),
        (
            LEAST + "slos:\n  - {name: x, detector: joint, value_at_most: 0.1, calibrate: windows}\n",
            7,
            "slos.0",
            "use it beside `p_value_at_least`",
        ),
        (
            LEAST + "slos:\n  - {name: x, detector: joint, value_at_most: 0.1, effect_at_least: 0.1}\n",
            7,
            "slos.0",
            "judges the value itself",
        ),
        (
            LEAST + "receivers:\n  alertmanagers:\n    - url: alertmanager:9093\n",
            8,
            "receivers.alertmanagers.0.url",
            "http://host:port",
        ),
    ],
)
def test_a_fault_names_line_field_value_and_what_would_be_right(written, text, line, field, says):
    found = faults(written, text)
    (mine,) = [fault for fault in found if fault.startswith(f"{line}: {field}: ")]
    assert says in mine


def test_all_faults_are_told_at_once(written):
    assert len(faults(written, LEAST.replace("768", "x") + "    windw: 5m\nslo: []\n")) == 3


def test_an_objective_that_can_never_fire_is_refused_where_it_stands(written):
    text = LEAST + "slos:\n  - name: rank\n    detector: effective_rank\n    value_at_least: 0.8\n    target: 0.9\n"
    found = faults(written, text)
    assert found[0].startswith("7: ")
    assert "93.06%" in found[0]


def test_an_objective_on_a_stream_or_detector_that_is_not_there_is_refused(written):
    text = LEAST + "slos:\n  - {name: x, detector: mmd, p_value_at_least: 0.01, streams: [serch]}\n"
    assert "known are search" in faults(written, text)[0]
    text = LEAST + "slos:\n  - {name: x, detector: probe, p_value_at_least: 0.005}\n"
    assert "'probe' does not run on 'search'" in faults(written, text)[0]


def test_secrets_come_from_the_environment_and_are_never_shown(written):
    hook = "receivers:\n  webhooks:\n    - {name: r, url: 'https://x', secret: '${S}'}\n"
    config = written(LEAST + hook, S="whsec_hunter2")
    assert "hunter2" not in repr(config)
    assert "8: ${S}: the environment variable S is not set" in faults(written, LEAST + hook)[0]


def test_plain_http_to_a_webhook_must_be_allowed(written):
    hook = "receivers:\n  webhooks:\n    - {name: r, url: 'http://x', secret: s}\n"
    assert "allow_http: true" in faults(written, LEAST + hook)[0]


def hook(said: str) -> str:
    return LEAST + f"receivers:\n  webhooks:\n    - {{name: r, url: 'https://x', {said}}}\n"


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("adapter: airflow", "airflow needs a `target`, the id of the DAG, found ''"),
        ("adapter: github, target: models", "owner/repository, found 'models'"),
        ("adapter: dagster, target: a/b", "location/repository/job, found 'a/b'"),
        ("adapter: argo, target: x", "argo takes no `target`"),
        ("adapter: prefect, target: x, secret: s", "prefect verifies no signature"),
        ("secret: s, token: t", "carries no token"),
        ("adapter: prefect, target: x, events: [alert]", "`events` may be [retrain] alone"),
        ("secret: s, allow_networks: [10.0.0.300/8]", "allow_networks"),
        ("adapter: airflw, target: x", "airflow"),
    ],
)
def test_a_receiver_that_could_not_work_says_why(written, said, fault):
    assert fault in " ".join(faults(written, hook(said)))


def test_a_token_is_not_repeated_in_an_error(written):
    assert "123456789" not in " ".join(faults(written, hook("adapter: argo, token: 123456789")))


def test_a_model_may_be_asked_for_by_other_rules(written):
    text = LEAST + "retrain: {cooldown: 12h, models: {big/one: {cooldown: 7d, approval: true}}}\n"
    policies = [written(text).retrain.of(model) for model in ("small", "big/one")]
    assert [(p.cooldown, p.approval) for p in policies] == [(timedelta(hours=12), False), (timedelta(days=7), True)]


@pytest.mark.parametrize("text", ["a: [", "- 1\n", "", "\tx: 1", "\x00"])
def test_what_is_not_a_mapping_in_yaml_says_so(written, text):
    with pytest.raises(ConfigError, match=r"drift\.yaml:\d+: "):
        written(text)


def test_a_file_that_is_not_text_is_an_error_and_not_a_traceback(tmp_path):
    (tmp_path / "drift.yaml").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "drift.yaml")


def test_an_unset_variable_hides_no_other_fault(written):
    text = LEAST.replace("768", "${DIM}") + "    windw: 5m\n"
    assert len(faults(written, text)) == 3


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "none.yaml")


def test_the_schema_knows_every_key():
    found = json.loads(schema())
    assert found["properties"].keys() >= {"streams", "slos", "receivers"}
    assert "window" in found["$defs"]["StreamConfig"]["properties"]


def test_the_demo_is_a_valid_file():
    variables = ("PORT", "DASHBOARD_PORT", "DEMO_HOME", "DEMO_RECEIVER_PORT")
    environment = {f"DRIFT_{name}": "1" for name in variables}
    config = load(Path(__file__).parents[1] / "examples/demo/drift.yaml", environment)
    assert config.streams[0].window == timedelta(seconds=5)


@given(st.timedeltas(timedelta(milliseconds=1), timedelta(days=1000)))
def test_durations_survive_being_written_and_read(length):
    whole = length // timedelta(milliseconds=1) * timedelta(milliseconds=1)
    assert parse_duration(format_duration(whole)) == whole


def test_a_name_that_is_used_twice_is_found_where_it_is_used_again(written):
    again = LEAST[LEAST.index("  - id") :]
    line = LEAST.count("\n") + 1
    (found,) = faults(written, LEAST + again)
    assert found.startswith(f"{line}: id 'search' is used twice")


DIGEST = """\
receivers:
  webhooks: [{name: tickets, url: "https://x.example", secret: s, events: [%s]}]
digest: {at: %s, timezone: %s}
"""


def test_a_digest_has_an_hour_a_zone_and_a_webhook(written):
    found = written(LEAST + DIGEST % ("digest", '"08:30"', "Europe/Berlin")).digest
    assert (f"{found.at:%H:%M}", found.timezone.key) == ("08:30", "Europe/Berlin")
    assert written(LEAST).digest is None


@pytest.mark.parametrize(
    ("values", "line", "says"),
    [
        (("digest", "10:30", "UTC"), 8, "630 is not a time of day: write it in quotes"),
        (("digest", '"24:00"', "UTC"), 8, "'24:00' is not a time of day"),
        (("digest", '"09:00"', "Mars/Base"), 8, "invalid timezone: Mars/Base"),
        (("retrain", '"09:00"', "UTC"), 8, "digest needs a receiver: add `events: [digest]`"),
    ],
)
def test_a_digest_that_could_not_be_sent_is_refused(written, values, line, says):
    (fault,) = faults(written, LEAST + DIGEST % values)
    assert fault.startswith(f"{line}: ")
    assert says in fault
