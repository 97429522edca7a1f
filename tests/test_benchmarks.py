"""The commands that the README names still run."""

from benchmarks import cost


def test_the_cost_table_is_printed_from_a_run(engine):
    found = cost.run(engine, windows=2, batches=1)
    assert len(found) == 7
    assert all(measured.split()[0].replace(",", "").replace(".", "").isdigit() for _, measured in found)
