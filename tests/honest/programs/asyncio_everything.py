# entry: run
# case: [4] -> {"queue": [0, 2, 4, 6], "timeout": true, "thread": 10, "order": ["a", "b"], "cancelled": true}
# word: pass
import asyncio
import time


async def numbers(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i


async def work(n):
    queue, found = asyncio.Queue(), []

    async def consume():
        while True:
            found.append(2 * await queue.get())
            queue.task_done()

    consumer = asyncio.create_task(consume())
    async for i in numbers(n):
        await queue.put(i)
    await queue.join()
    consumer.cancel()
    results = await asyncio.gather(consumer, return_exceptions=True)
    try:
        await asyncio.wait_for(asyncio.sleep(10), timeout=0.01)
        timed_out = False
    except asyncio.TimeoutError:
        timed_out = True
    loop = asyncio.get_running_loop()
    in_thread = await loop.run_in_executor(None, lambda: time.sleep(0.001) or 10)
    order, lock = [], asyncio.Lock()

    async def enter(name):
        async with lock:
            await asyncio.sleep(0.001)
            order.append(name)

    await asyncio.gather(enter("a"), enter("b"))
    cancelled = isinstance(results[0], asyncio.CancelledError)
    return {"queue": found, "timeout": timed_out, "thread": in_thread, "order": order, "cancelled": cancelled}


def run(n):
    return asyncio.run(work(n))
