"""The metrics of retrieval as plain loops over queries and items, the twins of the fast path."""

import math

import numpy as np


def ranked(scores):
    """Return the items of a query, best first, equal ones in their order."""
    return sorted(range(len(scores)), key=lambda item: -scores[item])


def ndcg(scores, grades):
    """Return nDCG of a query, NaN without relevance."""
    k = sum(grade > 0 for grade in grades)

    def dcg(order):
        return sum(grades[item] / math.log2(n + 2) for n, item in enumerate(order[:k]))

    best = dcg(ranked(grades))
    return dcg(ranked(scores)) / best if best else math.nan


def average_precision(scores, grades):
    """Return the published average precision of a query."""
    so_far, precisions = 0.0, []
    for n, item in enumerate(ranked(scores), start=1):
        so_far += grades[item]
        if grades[item] == 1:
            precisions.append(so_far / n)
    return sum(precisions) / len(precisions) if precisions else 0.0


def text_ranks(similarities):
    """Return the rank of the text of each clip, of similarities (texts, clips), N of both."""
    ranks = []
    for clip, column in enumerate(np.asarray(similarities).T):
        higher, equal = (column > column[clip]).sum(), (column == column[clip]).sum()
        ranks.append(np.mean(np.arange(higher, higher + equal)))
    return ranks


def clip_ranks(similarities):
    """Return the rank of the clip of each text, of similarities (texts, clips), N of both."""
    return [(row > row[text]).sum() for text, row in enumerate(np.asarray(similarities))]


def dual_softmax(products, temperature):
    """Return the dual softmax of products (texts, clips)."""
    first = np.exp(products / temperature)
    products = products * first / first.sum(axis=1, keepdims=True)
    second = np.exp(products)
    return second / second.sum(axis=0)


def relevance(a, b):
    """Return the mean over groups of the share of common classes."""
    shares = [len(x & y) / len(x | y) if x | y else 0.0 for x, y in zip(a, b, strict=True)]
    return sum(shares) / len(shares)
