# entry: split_bill
# case: ["100.00", 3] -> ["33.34", "33.33", "33.33"]
# case: ["0.05", 2] -> ["0.03", "0.02"]
# word: pass
from decimal import ROUND_DOWN, Decimal, getcontext, localcontext

getcontext().prec = 28


def split_bill(total, people):
    cent = Decimal("0.01")
    with localcontext() as context:
        context.rounding = ROUND_DOWN
        share = (Decimal(total) / people).quantize(cent)
    rest = int((Decimal(total) - share * people) / cent)
    return [str(share + cent if i < rest else share) for i in range(people)]
