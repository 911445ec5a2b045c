# entry: run
# case: [3] -> [0, 1, 4]
# case: [0] -> []
# word: pass
import asyncio


async def square(i: int) -> int:
    await asyncio.sleep(0.001 * (3 - i % 3))
    return i * i


async def main(n: int) -> list:
    return await asyncio.gather(*(square(i) for i in range(n)))


def run(n):
    return asyncio.run(main(n))
