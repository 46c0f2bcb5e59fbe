"""How many rows a paired comparison needs, before anybody pays for labels.

What the rows can show depends on the discordant share: the rows that exactly one of the two programs
gets right. It has to be guessed, or taken from a pilot; two good programs that fail on the same rows
have a small one. A guess that is too small promises too much, so try a larger one as well.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ScoringError
from .checks import checked_counts, checked_level, one_a_row
from .paired import gate_p
from .proportions import normal_quantile


def sample_size(difference: float, discordant: float, *, power: float = 0.8, level: float = 0.95) -> int:
    """Rows with which a true difference passes superiority with this probability (Connor 1987).

    Biometrics 43, 207: (z sqrt(discordant) + z_power sqrt(discordant - difference**2))**2 / difference**2,
    rounded up. Large-sample normal, without a continuity correction, which fits a gate by mid-P; where
    it asks for few discordant rows (below about 20) it is off by some rows: hold it to `gate_power`.

    Args:
        difference: the true one, first minus second, as a share above 0.
        discordant: share of rows that exactly one of the two gets right; at least the difference.
        power: probability to pass, from 1/2 up.
        level: of the gate's interval, two-sided.

    Raises:
        ScoringError: a share outside (0, 1), a discordant share below the difference, or power below 1/2.
    """
    z, z_power = _quantiles(level, power)
    delta, share = _effect(difference, discordant)
    root = z * math.sqrt(share) + z_power * math.sqrt(share - delta * delta)
    # 1e-9: what rounding adds to a whole number must not cost a row.
    return max(1, math.ceil((root / delta) ** 2 - 1e-9))


def minimum_detectable(n: int, discordant: float, *, power: float = 0.8, level: float = 0.95) -> float:
    """The smallest true difference that passes superiority with this probability on n rows (Connor 1987).

    The inverse of `sample_size`, with its assumptions: the discordant share stays what it is.

    Args:
        n: rows.
        discordant: share of rows that exactly one of the two gets right, in (0, 1].
        power, level: as in `sample_size`.

    Returns:
        A share in (0, discordant].

    Raises:
        ScoringError: as `sample_size`; or no difference can be detected, for it would have to be larger
            than the discordant share.
    """
    z, z_power = _quantiles(level, power)
    total = _rows(n)
    share = _share(discordant, "discordant")
    # Connor's equation for the difference: a quadratic, of which the larger root is meant.
    k = z * math.sqrt(share * total)
    a = total + z_power**2
    found = (k + math.sqrt(max(k * k - a * (z * z - z_power**2) * share, 0.0))) / a
    if found > share:
        raise ScoringError(
            f"{total} rows with a discordant share of {share:g} show no difference with power {power:g}",
            hint=f"at least {sample_size(share, share, power=power, level=level)} rows are needed",
        )
    return found


def gate_power(n: int, difference: float, discordant: float, *, level: float = 0.95) -> float:
    """Probability that the first passes superiority on n rows, exactly.

    The sum over the number of discordant rows, Binomial(n, discordant), and over the wins among them,
    Binomial(rows, (discordant + difference) / (2 discordant)), of the tables that the gate passes. At
    difference 0 it is the gate's true error rate. Rows are assumed to be independent.

    Args:
        n: rows.
        difference: the true one, first minus second; 0 and negative ones are allowed.
        discordant: share of rows that exactly one of the two gets right, at least |difference|.
        level: of the gate's interval, two-sided.

    Raises:
        ScoringError: as `sample_size`.
    """
    from scipy.stats import binom

    tail = (1 - checked_level(level)) / 2
    total = _rows(n)
    delta, share = float(one_a_row([difference], name="difference")[0]), _share(discordant, "discordant")
    _check_within(delta, share)
    rows = np.arange(total + 1)
    weight = binom.pmf(rows, total, share)
    # Numbers of discordant rows that never come up cost time and add nothing.
    likely = weight > 1e-15
    rows, weight = rows[likely], weight[likely]
    passes = binom.sf(_fewest_wins(rows, total, tail) - 1, rows, (share + delta) / (2 * share))
    return float(weight @ passes)


def _fewest_wins(discordant: NDArray[np.int_], n: int, tail: float) -> NDArray[np.int_]:
    """Fewest wins that pass among so many discordant rows, by bisection; one more than all if none do."""
    fails, passes = discordant // 2, discordant + 1
    while np.any(passes - fails > 1):
        middle = (fails + passes) // 2
        good = gate_p(middle, discordant - middle, n) < tail
        open_ = passes - fails > 1
        passes = np.where(open_ & good, middle, passes)
        fails = np.where(open_ & ~good, middle, fails)
    return passes


def _quantiles(level: float, power: float) -> tuple[float, float]:
    z = normal_quantile(level)
    wanted = checked_level(power, name="power")
    if wanted < 0.5:
        raise ScoringError(f"a power of {power} plans to fail", hint="ask for 0.5 or more", where="power")
    return z, normal_quantile(2 * wanted - 1) if wanted > 0.5 else 0.0


def _effect(difference: Any, discordant: Any) -> tuple[float, float]:
    delta, share = _share(difference, "difference"), _share(discordant, "discordant")
    _check_within(delta, share)
    return delta, share


def _check_within(delta: float, share: float) -> None:
    if abs(delta) > share:
        raise ScoringError(
            f"a difference of {delta:g} needs at least as large a discordant share, not {share:g}",
            hint="the discordant share counts the rows that exactly one of the two gets right",
            where="discordant",
        )


def _share(value: Any, name: str) -> float:
    share = float(one_a_row([value], name=name)[0])
    if not 0 < share <= 1:
        raise ScoringError(f"{name} is a share above 0, at most 1, not {value}", where=name)
    return share


def _rows(n: Any) -> int:
    (total,) = checked_counts(n=n)
    if total.ndim or total < 1:
        raise ScoringError(f"at least one row is needed, not {n}", where="n")
    return int(total)
