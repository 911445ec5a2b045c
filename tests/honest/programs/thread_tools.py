# entry: run
# case: [5] -> [0, 1, 4, 9, 16, "timer", "local", "woken"]
# word: pass
import threading


def run(n):
    results, condition, event = [None] * n, threading.Condition(), threading.Event()
    gate, local = threading.Semaphore(2), threading.local()
    done = 0

    def square(i):
        nonlocal done
        with gate:
            local.value = i * i
            results[i] = local.value
        with condition:
            done += 1
            condition.notify_all()

    for i in range(n):
        threading.Thread(target=square, args=(i,), name=f"square-{i}").start()
    with condition:
        assert condition.wait_for(lambda: done == n, timeout=4)
    extra = []
    timer = threading.Timer(0.01, lambda: (extra.append("timer"), event.set()))
    timer.start()
    assert event.wait(4)
    timer.join()
    extra.append("local" if not hasattr(local, "value") else "shared")
    woken = threading.Thread(target=lambda: extra.append("woken"))
    woken.start()
    woken.join()
    assert threading.current_thread() is threading.main_thread()
    return results + extra
