"""Whether two profiles are of the same distribution.

A feature has drifted if the difference is more than chance (a significance, corrected for the number of features) and more
than what matters (a distance). The distance of two samples of one distribution is never 0, and is large for small samples
(data-validation#216 shows 0.43), so the limit grows with the distance that chance alone brings at these sizes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from components.drift.kinds import FeatureKind, Kind
from components.drift.profile import Counts, Feature, Numbers, Profile

MIN_EXPECTED = 5.0
"""Values that chance would bring more rarely than this into either sample are pooled (Cochran, Biometrics 10, 1954)."""
MISSING, REST = "(missing)", "(rare values)"
_MEAN_SQUARE_KS = np.pi**2 / 12
"""Of Kolmogorov's distribution: what n times the squared distance of samples of one distribution is on average."""


@dataclass(frozen=True)
class FeatureDrift:
    """What came of one feature.

    Attributes:
        feature: Its name.
        kind: Of the profile that is newer.
        distance_name: kolmogorov_smirnov, jensen_shannon or l_infinity; `presence` where one side has no value at all, `type`
            where one has numbers and the other has not.
        distance: 0 (the same) to 1.
        limit: What the distance must exceed: the limit of the parameters, and what chance brings.
        p_value: How often chance alone would bring such a difference in this feature.
        p_adjusted: Likewise in any feature of as many (Holm).
        drifted: p_adjusted is at most the significance, and the distance exceeds the limit.
        num_baseline, num_current: Records that have a value.
        missing_baseline, missing_current: Share of the records without one.
        detail: Where the difference is greatest, in words.
    """

    feature: str
    kind: Kind
    distance_name: str
    distance: float
    limit: float
    p_value: float
    p_adjusted: float
    drifted: bool
    num_baseline: int
    num_current: int
    missing_baseline: float
    missing_current: float
    detail: str


@dataclass(frozen=True)
class _Difference:
    """Of one feature: distance, mean square of what chance brings, p-value, and where it is greatest."""

    name: str
    distance: float
    noise_square: float
    p_value: float
    detail: str


def compare(
    baseline: Profile,
    current: Profile,
    limits: Mapping[str, float],
    significance: float,
    *,
    ignore: Collection[str] = (),
    only: Collection[str] | None = None,
    sides: tuple[str, str] = ("before", "now"),
) -> list[FeatureDrift]:
    """Compares every feature that either profile has; those that drifted come first, then the greatest distance to limit.

    Args:
        baseline: Neither may be without records.
        current: As baseline.
        limits: Kind → distance that does not matter yet, 0 to 1.
        significance: The chance that any feature is called drifted where none is.
        ignore: Features to leave out.
        only: Features to compare; None: all.
        sides: What details call baseline and current.
    """
    names = sorted({*baseline.features, *current.features} - set(ignore))
    results, differences = [], []
    for name in names:
        if only is not None and name not in only:
            continue
        old, new = baseline.features.get(name), current.features.get(name)
        known = new if new is not None and _has_values(current, new) else old
        if known is None or not any(each and _has_values(of, each) for of, each in ((baseline, old), (current, new))):
            continue  # without a single value on both sides
        old, new = old or _absent(baseline, known), new or _absent(current, known)
        difference = _difference(baseline, old, current, new, sides)
        missing = old.num_missing / baseline.num_records, new.num_missing / current.num_records
        if max(missing) == 1.0:
            found = (
                "new: the baseline has no value of it" if missing[0] == 1.0 else "vanished: only the baseline has values of it"
            )
            difference = replace(difference, name="presence", detail=found)
        limit = float(np.sqrt(limits[known.kind.kind] ** 2 + difference.noise_square))
        differences.append(difference)
        results.append(
            FeatureDrift(
                feature=name,
                kind=known.kind.kind,
                distance_name=difference.name,
                distance=_rounded(difference.distance),
                limit=_rounded(min(limit, 1.0)),
                p_value=_rounded(difference.p_value),
                p_adjusted=1.0,
                drifted=difference.distance > limit,
                num_baseline=baseline.num_records - old.num_missing,
                num_current=current.num_records - new.num_missing,
                missing_baseline=_rounded(missing[0]),
                missing_current=_rounded(missing[1]),
                detail=difference.detail,
            )
        )
    adjusted = _holm([difference.p_value for difference in differences])
    results = [
        replace(result, p_adjusted=_rounded(p_value), drifted=result.drifted and p_value <= significance)
        for result, p_value in zip(results, adjusted, strict=True)
    ]
    return sorted(results, key=lambda each: (not each.drifted, -each.distance / each.limit, each.feature))


def _difference(baseline: Profile, old: Feature, current: Profile, new: Feature, sides: tuple[str, str]) -> _Difference:
    one, other = old.kind.measure, new.kind.measure
    if one != other:
        told = f"{one.replace('_', ' ')} {sides[0]}, {other.replace('_', ' ')} {sides[1]}"
        return _Difference("type", 1.0, 0.0, 0.0, f"{told}: the schema, or the type of the data, changed")
    sizes = _effective(baseline, old), _effective(current, new)
    if isinstance(old.content, Numbers) and isinstance(new.content, Numbers):
        return _compare_numbers((baseline, old, old.content), (current, new, new.content), sizes, sides)
    if one == "words":
        return _compare_words((baseline, old), (current, new), sizes, sides)
    return _compare_values((baseline, old), (current, new), sizes, sides)


def _compare_numbers(
    old: tuple[Profile, Feature, Numbers],
    new: tuple[Profile, Feature, Numbers],
    sizes: tuple[float, float],
    sides: tuple[str, str],
) -> _Difference:
    """The two-sample Kolmogorov-Smirnov distance (Smirnov, Annals of Mathematical Statistics 19, 1948).

    The p-value is twice the smaller one of two: that of the distance, which sees any difference, as SciPy's `ks_2samp` has it
    (method asymp), and that of the rank sum test (Mann and Whitney, ibid. 18, 1947; the normal approximation, with its
    correction for values that are equal), which sees a shift sooner. A missing value counts as less than all others, so that
    one distance tells of both. Values that are equal make the first test say "chance" too often, never too rarely (Noether,
    Metrika 7, 1963).
    """
    points = np.union1d(old[2].values, new[2].values)
    below = np.stack([_shares_below(*each, points) for each in (old, new)])
    gaps = np.abs(below[0] - below[1])
    place = int(gaps.argmax())
    size = sizes[0] * sizes[1] / (sizes[0] + sizes[1])
    before, now = below[:, place]
    where = "missing" if place == 0 else f"missing or at most {points[place - 1]:,.6g}"
    if not (old[1].num_missing or new[1].num_missing):
        where = where.removeprefix("missing or ")
    distance = float(gaps[place])
    p_values = float(stats.kstwo.sf(distance, max(round(size), 1))), _rank_sum_p_value(below, sizes)
    p_value = min(1.0, 2 * min(p_values))
    detail = f"{where}: {_told((before, now), sides)}" if distance else "the same"
    return _Difference("kolmogorov_smirnov", distance, float(_MEAN_SQUARE_KS / size), p_value, detail)


def _rank_sum_p_value(below: np.ndarray, sizes: tuple[float, float]) -> float:
    """Of Mann and Whitney's test, two-sided, from the shares at or below each point of both samples: [2, points]."""
    shares = np.diff(below, axis=1, prepend=0.0)
    is_greater = float(((below[0] - shares[0] / 2) * shares[1]).sum())  # a pair of equals counts half
    pooled = np.array(sizes) / sum(sizes) @ shares
    variance = (1.0 - float((pooled**3).sum())) * (1 / sizes[0] + 1 / sizes[1]) / 12
    return 1.0 if variance <= 0 else 2 * float(stats.norm.sf(abs(is_greater - 0.5) / np.sqrt(variance)))


def _shares_below(profile: Profile, feature: Feature, numbers: Numbers, points: np.ndarray) -> np.ndarray:
    """Share of the records that are missing, and of those that are missing or at most each of the points: [points + 1]."""
    missing = feature.num_missing / profile.num_records
    if not len(numbers.values):  # all are missing, or those that are not fell out of the sample
        return np.full(len(points) + 1, missing)
    cumulated = np.concatenate([[0], np.cumsum(numbers.counts)])
    shares = cumulated[np.searchsorted(numbers.values, points, side="right")] / cumulated[-1]
    result: np.ndarray = np.concatenate([[missing], missing + (1 - missing) * shares])
    return result


def _compare_values(
    old: tuple[Profile, Feature], new: tuple[Profile, Feature], sizes: tuple[float, float], sides: tuple[str, str]
) -> _Difference:
    """Pearson's chi-squared test of homogeneity, and the Jensen-Shannon distance (Lin, IEEE Transactions on Information Theory
    37, 1991; its square root to the base of 2, from 0 to 1). Missing is a value as others; rare values are pooled.

    Of two samples of one distribution the squared distance is on average (values - 1) (1/n + 1/m) / (8 ln 2), since to second
    order the divergence is an eighth of the chi-squared distance.
    """
    names, shares = _aligned(old, new)
    names, shares = _pooled(names, shares, sizes)
    if len(names) < 2:
        return _Difference("jensen_shannon", 0.0, 0.0, 1.0, "only rare values" if names == [REST] else f"always {names[0]}")
    observed = shares * np.array(sizes)[:, np.newaxis]
    expected = observed.sum(axis=0) * (np.array(sizes) / sum(sizes))[:, np.newaxis]
    statistic = float(((observed - expected) ** 2 / expected).sum())
    middle = shares.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(shares > 0, shares * np.log2(shares / middle), 0.0)
    divergence = float(terms.sum() / 2)
    place = int(np.abs(shares[0] - shares[1]).argmax())
    return _Difference(
        "jensen_shannon",
        float(np.sqrt(max(divergence, 0.0))),
        (len(names) - 1) * (1 / sizes[0] + 1 / sizes[1]) / (8 * float(np.log(2))),
        float(stats.chi2.sf(statistic, len(names) - 1)),
        f"{names[place]}: {_told(shares[:, place], sides)}",
    )


def _compare_words(
    old: tuple[Profile, Feature], new: tuple[Profile, Feature], sizes: tuple[float, float], sides: tuple[str, str]
) -> _Difference:
    """The word whose share of texts differs most: L-infinity, as TensorFlow Data Validation has it for categories.

    Words of one text depend on each other, texts do not: so what is counted is texts. Each word has its binomial test (the
    exact conditional test of two Poisson counts; Przyborowski and Wilenski, Biometrika 31, 1940), and the p-value of the
    feature is that of the word times the number of words (Bonferroni). Missing texts are tested as a word is.
    """
    names, shares = _aligned(old, new)
    counts = np.round(shares * np.array(sizes)[:, np.newaxis])
    total = counts.sum(axis=0)
    share = sizes[0] / sum(sizes)
    tested = total * min(share, 1 - share) >= MIN_EXPECTED
    if not tested.any():
        return _Difference("l_infinity", 0.0, 0.0, 1.0, "only rare words")
    gaps = np.abs(shares[0] - shares[1])
    pooled = total / sum(sizes)
    noise = pooled * (1 - pooled) * (1 / sizes[0] + 1 / sizes[1])
    place = int(np.where(tested, gaps**2 - noise, -np.inf).argmax())
    first, both = counts[0, place], total[place]
    tails = stats.binom.cdf(first, both, share), stats.binom.sf(first - 1, both, share)
    p_value = min(1.0, 2 * float(min(tails)) * int(tested.sum()))
    name = names[place] if names[place] == MISSING else f"texts with '{names[place]}'"
    detail = f"{name}: {_told(shares[:, place], sides)}"
    return _Difference("l_infinity", float(gaps[place]), float(noise[place]), p_value, detail)


def _aligned(old: tuple[Profile, Feature], new: tuple[Profile, Feature]) -> tuple[list[str], np.ndarray]:
    """(values of both, MISSING; share of all records, [2, values]).

    A count that one profile has not kept is taken for what suits the other best of all that it may be.
    """
    listed = [feature.content.listed for _, feature in (old, new) if isinstance(feature.content, Counts)]
    unlisted = [feature.content.most_unlisted for _, feature in (old, new) if isinstance(feature.content, Counts)]
    totals = [profile.num_records for profile, _ in (old, new)]
    names = list(dict.fromkeys(name for counts in listed for name in counts))
    rows = []
    for index, other in ((0, 1), (1, 0)):
        ratio = totals[index] / totals[other]
        known = listed[index]
        guesses = {name: min(unlisted[index], round(listed[other][name] * ratio)) for name in names if name not in known}
        counts = [known.get(name, guesses.get(name, 0)) for name in names]
        rows.append([count / totals[index] for count in (*counts, (old, new)[index][1].num_missing)])
    return [*names, MISSING], np.array(rows)


def _pooled(names: list[str], shares: np.ndarray, sizes: tuple[float, float]) -> tuple[list[str], np.ndarray]:
    """Rare values and those that are not listed become one, which joins the rarest other one if it is rare itself."""
    weights = np.array(sizes) / sum(sizes)
    expected = (weights @ shares) * min(sizes)
    kept = expected >= MIN_EXPECTED
    # Guesses may make the shares of one side too many by a few.
    rest = np.maximum(1.0 - shares[:, kept].sum(axis=1), 0.0)
    names = [name for name, is_kept in zip(names, kept, strict=True) if is_kept]
    shares = shares[:, kept]
    if float(weights @ rest) * min(sizes) >= MIN_EXPECTED or not names:
        names, shares = [*names, REST], np.column_stack([shares, rest])
    elif rest.any():
        shares = shares.copy()
        shares[:, int((weights @ shares).argmin())] += rest
    return names, shares / shares.sum(axis=1, keepdims=True)


def _effective(profile: Profile, feature: Feature) -> float:
    """As many independent records as are behind what is known of a feature."""
    num_records = profile.sample_size if isinstance(feature.content, Numbers) else profile.num_records
    return max(num_records / profile.overlap, 1.0)


def _has_values(profile: Profile, feature: Feature) -> bool:
    return feature.num_missing < profile.num_records


def _absent(profile: Profile, other: Feature) -> Feature:
    """A feature of which no record has a value, like one that is there."""
    kind = FeatureKind(other.kind.kind, other.kind.measure)
    empty = Counts({}, 0) if isinstance(other.content, Counts) else Numbers(np.zeros(0), np.zeros(0, np.int64))
    return Feature(other.name, kind, profile.num_records, empty)


def _holm(p_values: list[float]) -> list[float]:
    """P-values that hold for all tests together, however they depend on each other (Holm, Scandinavian Journal of Statistics
    6, 1979).
    """
    order = np.argsort(p_values, kind="stable")
    adjusted, most = np.ones(len(p_values)), 0.0
    for rank, index in enumerate(order):
        most = max(most, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = most
    return [float(value) for value in adjusted]


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _told(shares: Iterable[float], sides: tuple[str, str]) -> str:
    return ", ".join(f"{100 * share:.1f}% {side}" for share, side in zip(shares, sides, strict=True))
