# entry: sample_size
# case: [100, 10] -> 10
# case: [5, 10] -> 5
# word: pass
import random
import secrets
import uuid


def reservoir(stream, k):
    kept = []
    for i, item in enumerate(stream):
        if i < k:
            kept.append(item)
        elif (j := random.randint(0, i)) < k:
            kept[j] = item
    return kept


def sample_size(n, k):
    assert len(secrets.token_hex(8)) == 16 and uuid.uuid4().version == 4
    return len(reservoir(range(n), k))
