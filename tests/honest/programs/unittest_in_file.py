# entry: is_prime
# case: [7] -> true
# case: [1] -> false
# case: [91] -> false
# word: pass
import unittest


def is_prime(n: int) -> bool:
    if n < 2:
        return False
    return all(n % i for i in range(2, int(n ** 0.5) + 1))


class TestIsPrime(unittest.TestCase):
    def setUp(self):
        self.primes = [2, 3, 5, 7, 11]

    def test_primes(self):
        for prime in self.primes:
            with self.subTest(prime=prime):
                self.assertTrue(is_prime(prime))

    def test_negative(self):
        self.assertFalse(is_prime(-7))


# As in a notebook, where there is no main guard.
unittest.main(argv=[""], exit=False)
