"""The pool of daemon threads."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import time
from textwrap import dedent

import pytest

from hub.plugin import NotReady
from hub.runtime.threads import DaemonPool


async def test_returns_raises_and_passes_arguments_and_context() -> None:
    pool = DaemonPool("fras.test")
    variable = contextvars.ContextVar("variable", default="")
    variable.set("here")
    assert await pool.run(divmod, 7, 2) == (3, 1)
    assert await pool.run(int, "ff", base=16) == 255
    assert await pool.run(variable.get) == "here"
    with pytest.raises(ZeroDivisionError):
        await pool.run(divmod, 1, 0)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await pool.run(next, iter(()))
    with pytest.raises(SystemExit):
        await pool.run(sys.exit, 3)
    assert await pool.run(lambda: threading.current_thread().daemon)
    pool.close()


async def test_threads_are_bounded_reused_and_named() -> None:
    pool = DaemonPool("fras.test", size=3)
    names: set[str] = set()
    together = most = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
            names.add(threading.current_thread().name)
        time.sleep(0.01)
        with lock:
            together -= 1

    await pool.run(work)
    await pool.run(work)
    assert names == {"fras.test-0"}
    await asyncio.gather(*(pool.run(work) for _ in range(20)))
    assert most == 3
    assert names == {"fras.test-0", "fras.test-1", "fras.test-2"}
    pool.close()


async def test_a_full_queue_says_so_at_once() -> None:
    pool = DaemonPool("fras.test", size=1, longest_queue=2)
    release = threading.Event()
    running = asyncio.create_task(pool.run(release.wait))
    await asyncio.sleep(0.02)
    waiting = [asyncio.create_task(pool.run(release.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(NotReady, match=r"all 1 threads of fras\.test are busy and 2 calls wait"):
        await pool.run(release.wait)
    release.set()
    await asyncio.gather(running, *waiting)
    pool.close()


async def test_a_cancelled_call_that_has_not_begun_never_runs() -> None:
    pool = DaemonPool("fras.test", size=1)
    release = threading.Event()
    ran: list[int] = []
    running = asyncio.create_task(pool.run(release.wait))
    waiting = asyncio.create_task(pool.run(ran.append, 1))
    await asyncio.sleep(0.02)
    waiting.cancel()
    await asyncio.sleep(0)
    release.set()
    await running
    await pool.run(ran.append, 2)
    assert ran == [2]
    pool.close()


async def test_closing_lets_threads_go_and_refuses_calls() -> None:
    pool = DaemonPool("fras.test", size=2)
    await asyncio.gather(*(pool.run(time.sleep, 0.01) for _ in range(2)))
    pool.close()
    with pytest.raises(NotReady, match="closed"):
        await pool.run(int)
    async with asyncio.timeout(2):
        while any(thread.name.startswith("fras.test") for thread in threading.enumerate()):
            await asyncio.sleep(0.01)


def test_a_hung_call_does_not_hold_the_process_at_its_end() -> None:
    program = """
        import asyncio, time
        from hub.runtime.threads import DaemonPool

        async def main():
            pool = DaemonPool("fras.test")
            try:
                async with asyncio.timeout(0.1):
                    await pool.run(time.sleep, 60)
            except TimeoutError:
                print("given up")
            pool.close()

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(program)], timeout=20, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "given up\n", "")
