"""Tests that `metrics` finds all names of metrics in an expression, and no other names."""

import pytest

from promql import families, metrics

CASES = {
    "up": {"up"},
    'sum by (function) (rate(http_requests_total{status=~"5.."}[5m])) / 2': {"http_requests_total"},
    "sum(a) by (b) > 1e3": {"a"},
    "a and on (b) c:d:rate5m offset 10m": {"a", "c:d:rate5m"},
    "histogram_quantile(0.99, sum by (le, x) (rate(a_bucket[$__rate_interval])))": {"a_bucket"},
    'a{b="c{d}e"} unless ignoring (f) group_left (g) h': {"a", "h"},
    'label_replace(a, "b", "$1", "c", "(.*)")': {"a"},
    "max_over_time(rate(a[5m])[1h:1m])": {"a"},
    "vector(0) or Inf": set(),
}


@pytest.mark.parametrize("expression", CASES)
def test_metrics_are_found(expression):
    assert metrics(expression) == CASES[expression]


def test_histograms_have_three_names():
    assert families("# TYPE a counter\n# TYPE b histogram\n") == {"a", "b_bucket", "b_sum", "b_count"}
