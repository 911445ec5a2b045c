# entry: withdraw
# case: [100, 30] -> 70
# case: [100, 130] -> "insufficient: 30 short"
# case: [100, -5] -> "invalid amount: -5"
# case: [100, "x"] -> "finally"
# word: pass
class BankError(Exception):
    """Base class."""


class InsufficientFunds(BankError):
    def __init__(self, short):
        super().__init__(f"insufficient: {short} short")
        self.short = short


def _withdraw(balance, amount):
    if amount < 0:
        raise ValueError(f"invalid amount: {amount}")
    if amount > balance:
        raise InsufficientFunds(amount - balance)
    return balance - amount


def withdraw(balance, amount):
    result = None
    try:
        result = _withdraw(balance, amount)
    except InsufficientFunds as error:
        result = str(error)
    except ValueError as error:
        result = str(error)
    except TypeError:
        pass
    else:
        assert result >= 0
    finally:
        if result is None:
            return "finally"
    return result
