"""Other people's detectors, by name; one file per package they come from."""

from detectors import promql, river, rrcf, streamad

BASELINES = {
    baseline.name: baseline
    for package in (river, streamad, rrcf, promql)
    for baseline in package.BASELINES
}
