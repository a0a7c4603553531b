import numpy as np
import pytest

from safegym.statistics import (
    DRAWS,
    Interval,
    bounds,
    cluster_interval,
    cohen_kappa,
    draws,
    harmonic_mean,
    interval,
    paired,
    sample,
    wilson,
)


def test_wilson_is_the_published_example():
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263 and 0 of 20.
    assert wilson(81, 263).low == pytest.approx(0.2553, abs=5e-5)
    assert wilson(81, 263).high == pytest.approx(0.3662, abs=5e-5)
    assert wilson(0, 20) == Interval(0.0, pytest.approx(0.1611, abs=5e-5))
    assert wilson(20, 20).high == 1.0


def test_wilson_without_trials_knows_nothing():
    assert wilson(0, 0) == Interval(0.0, 1.0)
    with pytest.raises(ValueError, match="expected 0 to 3 successes in 3 trials, got 4"):
        wilson(4, 3)


def test_harmonic_mean_is_zero_where_both_are():
    assert harmonic_mean(np.array([0.0, 1.0, 0.5, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])) == pytest.approx(
        [0.0, 1.0, 2 / 3, 0.0]
    )
    assert float(harmonic_mean(0.0, 0.0)) == 0.0


def test_bounds_take_the_missing_as_low_and_as_high_as_they_can_be():
    assert bounds(0.5, 8, 2) == Interval(0.4, 0.6)
    assert bounds(0.5, 8, 0) == Interval(0.5, 0.5)
    assert bounds(None, 0, 3) == Interval(0.0, 1.0)
    assert bounds(0.0, 1, 1, -1.0, 1.0) == Interval(-0.5, 0.5)


def test_pairs_need_both_sides():
    left = {("a", 0): [1.0, 0.0], ("a", 1): [1.0], ("b", 0): []}
    right = {("a", 0): [1.0], ("b", 0): [1.0], ("c", 0): [0.0]}
    assert paired(left, right) == {("a", 0): (0.5, 1.0)}


def test_samples_sum_within_clusters_and_drop_those_without_weight():
    found = sample([("b", 1.0, 2.0), ("a", 1.0, 1.0), ("b", 0.0, 1.0), ("c", 0.0, 0.0)])
    assert found is not None
    assert found.clusters == ("a", "b")
    assert list(found.totals) == [1.0, 1.0]
    assert list(found.sizes) == [1.0, 3.0]
    assert found.value == 0.5
    assert sample([("c", 0.0, 0.0)]) is None


def test_clusters_of_zeros_and_ones_give_the_jeffreys_interval():
    # Quantiles of Beta(6.5, 0.5) and Beta(3.5, 3.5).
    names = [f"s{number}" for number in range(6)]
    all_right = cluster_interval([1.0] * 6, names)
    assert all_right.high == 1.0
    assert all_right.low == pytest.approx(0.6696, abs=0.03)
    half = cluster_interval([1.0, 0.0] * 3, names)
    assert half.low == pytest.approx(0.1676, abs=0.03)
    assert half.high == pytest.approx(0.8324, abs=0.03)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("clusters", [1, 2, 8])
def test_no_interval_is_without_width_and_each_holds_its_value(value, clusters):
    found = cluster_interval([value] * clusters, [f"s{number}" for number in range(clusters)])
    assert found.low <= value <= found.high
    assert 0.05 < found.high - found.low < 1.0


def test_one_cluster_says_little_however_many_episodes_it_has():
    found = cluster_interval([1.0, 0.0] * 200, ["only"] * 400)
    assert found.high - found.low > 0.5


def test_more_clusters_say_more():
    widths = []
    for count in (4, 16, 64):
        found = cluster_interval([0.2, 0.6] * (count // 2), [f"s{number}" for number in range(count)])
        widths.append(found.high - found.low)
    assert widths[0] > 1.5 * widths[1] > 2.0 * widths[2]


def test_intervals_are_the_same_every_time_and_in_any_order():
    first = cluster_interval([0.1, 0.5, 0.9], ["a", "b", "c"])
    assert first == cluster_interval([0.9, 0.1, 0.5], ["c", "a", "b"])


def test_two_figures_of_the_same_clusters_move_together():
    values = [(f"s{number}", number / 19, 1.0) for number in range(20)]
    first, second = sample(values), sample([(name, 1 - value, weight) for name, value, weight in values])
    assert first is not None and second is not None
    assert draws(first, "a").shape == (DRAWS,)
    assert np.corrcoef(draws(first, "a"), draws(second, "b"))[0, 1] < -0.7


def test_an_interval_without_values_is_refused():
    with pytest.raises(ValueError, match="at least one value"):
        cluster_interval([], [])


@pytest.mark.parametrize("clusters", [4, 6, 8])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("alike", [0.05, 0.4])
def test_coverage_is_near_nominal_with_few_clusters(clusters, rate, alike):
    """Rates differ between clusters by a beta distribution with intra-cluster correlation `alike`."""
    random = np.random.default_rng(clusters)
    shape = (1 - alike) / alike
    truths = random.beta(rate * shape, (1 - rate) * shape, size=(200, clusters))
    observed = random.binomial(10, truths) / 10
    names = [f"s{number}" for number in range(clusters)]
    found = [cluster_interval(list(each), names) for each in observed]
    covered = np.mean([each.low <= rate <= each.high for each in found])
    assert 0.90 <= covered <= 1.0
    assert np.mean([each.high - each.low for each in found]) < 0.65


def test_coverage_of_differences_of_pairs():
    random = np.random.default_rng(1)
    names, hits = [f"s{number}" for number in range(6)], 0
    for _ in range(200):
        shift = random.beta(2, 2, size=6) * 0.6
        differences = random.binomial(8, 0.3 + shift) / 8 - random.binomial(8, 0.3, size=6) / 8
        found = cluster_interval(list(differences), names, low=-1.0, high=1.0)
        hits += found.low <= 0.3 <= found.high
    assert 0.90 <= hits / 200 <= 1.0


def test_an_interval_is_widened_to_its_value():
    assert interval(2.0, np.array([0.0, 1.0])).high == 2.0


def test_kappa_is_one_for_those_who_always_agree_and_less_than_none_for_those_who_never_do():
    names = [f"s{number}" for number in range(40)]
    alike = cohen_kappa([(True, True), (False, False)] * 20, names)
    opposed = cohen_kappa([(True, False), (False, True)] * 20, names)
    assert alike.value == 1.0 and 0.7 < alike.interval.low < alike.interval.high == 1.0
    assert opposed.value == -1.0 == opposed.interval.low and opposed.interval.high < -0.7


def test_kappa_is_cohens_and_its_interval_is_wider_over_fewer_clusters():
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    many = cohen_kappa(pairs, [f"s{place % 25}" for place in range(50)])
    few = cohen_kappa(pairs, [f"s{place % 3}" for place in range(50)])
    assert many.value == few.value == pytest.approx(0.4)
    assert few.interval.low < many.interval.low < 0.4 < many.interval.high < few.interval.high


def test_kappa_without_contrast_or_cases():
    assert cohen_kappa([(True, True)] * 3, ["a", "b", "c"]) is None
    found = cohen_kappa([(True, False)] * 3, ["a", "b", "c"])
    assert found.value == 0.0
    with pytest.raises(ValueError, match="expected at least one case"):
        cohen_kappa([], [])
