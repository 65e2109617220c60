"""A small set of rows that holds every allowed pair of values of any two factors. Greedy, and the same for one seed."""
import itertools
import random


def pairs_of(row, names):
    return {((a, row[a]), (b, row[b])) for a, b in itertools.combinations(names, 2)}


def pairwise(factors, is_allowed, seed=1, tries=40):
    """factors: {name: [values]}; is_allowed(row) sees whole rows. A list of rows (dicts)."""
    names, rng = list(factors), random.Random(seed)
    wanted = set()
    for a, b in itertools.combinations(names, 2):
        for pair in itertools.product(factors[a], factors[b]):
            if any(is_allowed(complete(factors, {a: pair[0], b: pair[1]}, rng)) for _ in range(200)):
                wanted.add(((a, pair[0]), (b, pair[1])))
    rows = []
    while wanted:
        best, best_gain = None, 0
        for _ in range(tries):
            (a, a_value), (b, b_value) = rng.choice(sorted(wanted, key=repr))
            row = complete(factors, {a: a_value, b: b_value}, rng)
            if not is_allowed(row):
                continue
            row = improve(row, factors, is_allowed, wanted, {a, b}, rng)
            gain = len(pairs_of(row, names) & wanted)
            if gain > best_gain:
                best, best_gain = row, gain
        if best is not None:
            rows.append(best)
            wanted -= pairs_of(best, names)
    return rows


def complete(factors, fixed, rng):
    return {name: fixed.get(name, rng.choice(values)) for name, values in factors.items()}


def improve(row, factors, is_allowed, wanted, fixed, rng):
    """Changes one value after the other where that covers more pairs."""
    names = [name for name in factors if name not in fixed]
    rng.shuffle(names)
    for name in names:
        def gain(value):
            changed = {**row, name: value}
            return (len(pairs_of(changed, list(factors)) & wanted), rng.random()) if is_allowed(changed) else (-1, 0)
        row = {**row, name: max(factors[name], key=gain)}
    return row
