"""One call of the Face API: paced, counted, cut short where the service is down or refuses, repeated where that is
safe."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from hub.plugin import Clock, NeedsHuman, NotReady

from .breaker import Attempt, Breaker
from .credentials import Credentials
from .errors import Answer, QuotaReached, Unsure, refusal
from .pacing import LONGEST_ASKED, Bucket
from .spending import Spending
from .wire import Unreachable, send

VERSION: Final = "v1.2"
ATTEMPTS: Final = 4
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 8.0
"""Seconds between attempts, doubled each time; a random share of that is waited."""
NOT_BILLED: Final = (401, 403, 429)
"""Statuses of calls that are taken off the count again. Microsoft says of its Azure OpenAI service that calls which it
does not process (401, 429) are not billed; for Face, and for 403, that is assumed."""


class Client:
    """Safe to call from several tasks at once."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        endpoint: str,
        credentials: Credentials,
        bucket: Bucket,
        spending: Spending,
        clock: Clock,
        patience: float,
    ) -> None:
        """`patience` is for one attempt, in seconds."""
        self._http = http
        self._base = f"{endpoint}/face/{VERSION}"
        self._credentials = credentials
        self._bucket = bucket
        self._spending = spending
        self._clock = clock
        self._patience = patience
        self._breakers = {capped: Breaker(clock) for capped in (True, False)}
        """Deleting, which is not capped, has a circuit of its own: what is refused to the rest does not hold it up."""

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        repeatable: bool = True,
        capped: bool = True,
        attempts: int = ATTEMPTS,
        json: Any = None,
        image: bytes | None = None,
    ) -> Any:
        """What the service answered, as JSON (None for nothing).

        The body is `json`, or an `image` (an encoded file), or empty. A call that is not `repeatable` raises Unsure
        where it may have been carried out without our knowing. `capped` calls end with the monthly cap. Raises
        Declined for a refusal by the Face API, and other PluginErrors.
        """
        what: dict[str, Any] = {"params": params or {}, "json": json}
        if image is not None:
            what = {"params": params or {}, "data": image, "headers": {"Content-Type": "application/octet-stream"}}
        for attempt in range(1, attempts + 1):
            try:
                return await self._attempt(method, self._base + path, what, capped)
            except _Again as again:
                if again.maybe_done and not repeatable:
                    raise Unsure(again.problem.message, hint=again.problem.hint) from None
                if attempt == attempts or again.wait > LONGEST_ASKED:
                    raise again.problem from None
                backing_off = min(LONGEST_WAIT, FIRST_WAIT * 2.0**attempt) * random.random()  # noqa: S311 (no secret)
                await self._clock.sleep(again.wait + backing_off)
        raise AssertionError("no attempt was made")

    async def _attempt(self, method: str, url: str, what: Mapping[str, Any], capped: bool) -> Any:
        """Raises _Again for what is worth another attempt, PluginError for the rest."""
        with self._breakers[capped].attempt() as attempt:
            headers = {**what.get("headers", {}), **await self._credentials_for(attempt)}
            headers["client-request-id"] = str(uuid.uuid4())
            await self._bucket.take()
            month = await self._spending.spend(capped=capped)
            try:
                answer = await send(self._http, method, url, self._patience, **{**what, "headers": headers})
            except Unreachable as problem:
                attempt.failed()
                raise _Again(problem, maybe_done=problem.sent) from None
            if answer.status in NOT_BILLED:
                await self._spending.give_back(month)
            return self._judged(answer, attempt)

    async def _credentials_for(self, attempt: Attempt) -> Mapping[str, str]:
        try:
            return await self._credentials.headers()
        except NeedsHuman as problem:
            attempt.refused(problem)
            raise
        except NotReady:
            attempt.failed()
            raise

    def _judged(self, answer: Answer, attempt: Attempt) -> Any:
        if answer.status >= 500 or answer.status == 408:
            attempt.failed()
            problem = NotReady(f"Azure Face is ill (HTTP {answer.status})", hint="look at Azure's status")
            raise _Again(problem, wait=_asked(answer))
        if answer.status < 300:
            try:
                content = answer.content
            except ValueError:
                attempt.failed()
                problem = NotReady(
                    "what answers for Azure Face is not Azure Face", hint="look for a proxy or a login page in between"
                )
                raise _Again(problem) from None
            attempt.answered()
            return content
        if answer.status == 429:
            attempt.answered()
            seconds = _asked(answer) or 1.0
            self._bucket.pause(seconds)
            problem = NotReady(
                f"Azure Face asks for a break of {seconds:g} s", hint="others use the resource too, or the tier is F0"
            )
            raise _Again(problem, wait=seconds, maybe_done=False)
        if answer.status == 401 and self._credentials.refused():
            attempt.answered()
            raise _Again(NotReady("the Entra token had ended"), maybe_done=False)
        refused = refusal(answer, self._credentials.entra)
        lasting = isinstance(refused, NeedsHuman) or answer.status in (401, 403)
        if lasting and not isinstance(refused, QuotaReached):
            attempt.refused(refused)
        else:
            attempt.answered()
        raise refused


class _Again(Exception):
    """Another attempt may go better. `wait` is what the service asked for, in seconds; `maybe_done` says that it may
    have done what it was asked."""

    def __init__(self, problem: NotReady, *, wait: float = 0.0, maybe_done: bool = True) -> None:
        self.problem = problem
        self.wait = wait
        self.maybe_done = maybe_done


def _asked(answer: Answer) -> float:
    """Seconds of Retry-After; 0 without one, or where it is a date, which the Face API does not send."""
    try:
        return max(0.0, min(float(answer.headers.get("Retry-After", "0")), 86400.0))
    except ValueError:
        return 0.0
