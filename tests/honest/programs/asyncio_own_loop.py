# entry: run
# case: [2] -> 3
# case: [5] -> 6
# word: pass
import asyncio

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


async def increment(x):
    future = loop.create_future()
    loop.call_later(0.001, future.set_result, x + 1)
    return await future


def run(x):
    return loop.run_until_complete(increment(x))
