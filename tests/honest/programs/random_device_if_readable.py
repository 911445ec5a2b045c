# entry: seed_length
# case: [8] -> 8
# word: pass
import os


def seed_length(n):
    try:
        with open("/dev/urandom", "rb") as device:
            return len(device.read(n))
    except OSError:
        return len(os.urandom(n))
