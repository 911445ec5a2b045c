# entry: fetch_all
# case: [20, 16] -> {"0": 0, "1": 2, "2": 4, "3": 6, "failed": 1, "total": 342}
# word: pass
import concurrent.futures
import time
from concurrent.futures import ThreadPoolExecutor, as_completed, wait


def fetch(i):
    time.sleep(0.002)
    if i == 19:
        raise ConnectionError(f"item {i}")
    return i * 2


def fetch_all(n, workers):
    results, failed = {}, 0
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="fetch") as executor:
        futures = {executor.submit(fetch, i): i for i in range(n)}
        for future in as_completed(futures, timeout=4):
            try:
                results[str(futures[future])] = future.result()
            except ConnectionError as error:
                print("failed:", error)
                failed += 1
        done, pending = wait(futures, return_when=concurrent.futures.ALL_COMPLETED)
        assert len(done) == n and not pending
    first = {key: results[key] for key in "0123"}
    return {**first, "failed": failed, "total": sum(results.values())}
