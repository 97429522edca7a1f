"""The commands that the README names still run."""

from benchmarks import cost, permutation


def test_the_cost_table_is_printed_from_a_run(engine):
    found = cost.run(engine, windows=2, batches=1)
    assert len(found) == 9
    # Memory may have been given back meanwhile: in this process, other tests ran before.
    assert all(measured.split()[0].lstrip("-").replace(",", "").replace(".", "").isdigit() for _, measured in found)


def test_each_permutation_test_runs_in_a_process_of_its_own_and_tells_its_cost():
    found = permutation.run((80,), 100, peer=None)
    assert [(of.who, of.n) for of in found] == [("ours, default", 80), ("ours", 80)]
    assert all(0 < of.seconds < 60 and of.megabytes >= 0 and 0 < of.p <= 1 for of in found)
    peer = permutation.Cost("alibi-detect", 80, found[0].seconds * 50, 1000.0, 0.5)
    assert permutation.row(found[0], {80: peer})[3] == "50 times"
    assert permutation.row(peer, {80: peer})[3] == ""
