import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from asgiref.sync import sync_to_async

from tutorial_project.checks import known_answer
from tutorial_project.services import ServiceError


class InsurerError(Exception):
    pass


class Client:
    def __init__(self, sdk, *, at_most, timeout):
        self.sdk, self.at_most, self.timeout = sdk, at_most, timeout
        self.threads = ThreadPoolExecutor(at_most)

    def ask(self, nights):
        run = copy_context().run
        return asyncio.get_running_loop().run_in_executor(self.threads, run, self.sdk.premium, nights)


@known_answer("AsyncInsurer")
class WaitsFor(Client):
    async def premium(self, nights):
        try:
            return await asyncio.wait_for(self.ask(nights), self.timeout)
        except ServiceError as error:
            raise InsurerError(str(error)) from error
        except TimeoutError as error:
            raise InsurerError(f"no answer in {self.timeout} seconds") from error


@known_answer(
    "AsyncInsurer",
    when="Where the calls run in threads that others use as well: the thread gives the place back.",
)
class SemaphoreOfTheThread:
    def __init__(self, sdk, *, at_most, timeout):
        self.sdk, self.timeout = sdk, timeout
        self.places = threading.BoundedSemaphore(at_most)

    def _ask(self, nights):
        with self.places:
            return self.sdk.premium(nights)

    async def premium(self, nights):
        try:
            async with asyncio.timeout(self.timeout):
                return await asyncio.to_thread(self._ask, nights)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError from error


@known_answer(
    "AsyncInsurer",
    when="Where the limit belongs to the event loop, and `asyncio.to_thread` carries the context by itself.",
)
class ShieldedSemaphore:
    def __init__(self, sdk, *, at_most, timeout):
        self.sdk, self.timeout = sdk, timeout
        self.places, self.calls = asyncio.Semaphore(at_most), set()

    async def _ask(self, nights):
        async with self.places:
            return await asyncio.to_thread(self.sdk.premium, nights)

    async def premium(self, nights):
        call = asyncio.create_task(self._ask(nights))
        self.calls.add(call)
        call.add_done_callback(self.calls.discard)
        try:
            return await asyncio.wait_for(asyncio.shield(call), self.timeout)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError from error


@known_answer("AsyncInsurer", breaks="gives_the_premium", says="a plain method")
class PlainMethod(Client):
    def premium(self, nights):
        return self.sdk.premium(nights)


@known_answer("AsyncInsurer", breaks="stays_off_the_loop", says="everybody else waits with it")
class BlocksTheLoop(Client):
    async def premium(self, nights):
        async with asyncio.timeout(self.timeout):
            return self.sdk.premium(nights)


@known_answer("AsyncInsurer", breaks="gives_the_premium", says="the thread was given its result")
class CallsTheFunctionAtOnce(Client):
    async def premium(self, nights):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, self.sdk.premium(nights))


@known_answer("AsyncInsurer", breaks="gives_the_premium", says="without `await`: `.result()`")
class WaitsForTheThreadOnTheLoop(Client):
    async def premium(self, nights):
        return self.threads.submit(self.sdk.premium, nights).result(timeout=self.timeout)


@known_answer("AsyncInsurer", breaks="translates_errors", says="ServiceError: rates answered 503")
class TranslatesNothing(Client):
    async def premium(self, nights):
        async with asyncio.timeout(self.timeout):
            return await self.ask(nights)


@known_answer("AsyncInsurer", breaks="translates_errors", says="None as its __cause__")
class LosesTheCause(Client):
    async def premium(self, nights):
        try:
            return await asyncio.wait_for(self.ask(nights), self.timeout)
        except (ServiceError, TimeoutError):
            pass
        raise InsurerError


@known_answer("AsyncInsurer", breaks="lets_others_through", says="a mistake of our own looks like")
class TranslatesEverything(Client):
    async def premium(self, nights):
        try:
            return await asyncio.wait_for(self.ask(nights), self.timeout)
        except Exception as error:
            raise InsurerError from error


class Translating(Client):
    async def premium(self, nights):
        try:
            return await self.answer(nights)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError from error


@known_answer("AsyncInsurer", breaks="gives_up_in_time", says="no end after 1.5 seconds")
class NoTimeLimit(Translating):
    async def answer(self, nights):
        return await self.ask(nights)


@known_answer("AsyncInsurer", breaks="gives_up_in_time", says="its error is not translated")
class TimeoutNotTranslated(Client):
    async def premium(self, nights):
        async with asyncio.timeout(self.timeout):
            try:
                return await self.ask(nights)
            except (ServiceError, TimeoutError) as error:
                raise InsurerError from error


@known_answer("AsyncInsurer", breaks="keeps_the_limit", says="inside that one")
class ThreadsWithoutALimit(Client):
    async def premium(self, nights):
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(self.timeout):
                run = copy_context().run
                return await loop.run_in_executor(ThreadPoolExecutor(1), run, self.sdk.premium, nights)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError from error


@known_answer("AsyncInsurer", breaks="keeps_the_limit", says="inside those of the others")
class OneAtATime(Client):
    async def premium(self, nights):
        try:
            async with asyncio.timeout(self.timeout):
                return await sync_to_async(self.sdk.premium)(nights)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError from error


@known_answer("AsyncInsurer", breaks="counts_what_was_given_up", says="free again when the caller leaves")
class SemaphoreOfTheCaller(Client):
    def __init__(self, sdk, *, at_most, timeout):
        self.sdk, self.timeout = sdk, timeout
        self.places = asyncio.Semaphore(at_most)

    async def premium(self, nights):
        try:
            async with asyncio.timeout(self.timeout), self.places:
                return await asyncio.to_thread(self.sdk.premium, nights)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError from error


@known_answer("AsyncInsurer", breaks="gives_the_premium", says="called and not awaited")
class ExecutorNotAwaited(Client):
    async def premium(self, nights):
        return self.ask(nights)


@known_answer("AsyncInsurer", breaks="carries_the_context", says="`asyncio.to_thread` carries the context")
class LosesTheContext(Translating):
    async def answer(self, nights):
        return await asyncio.get_running_loop().run_in_executor(self.threads, self.sdk.premium, nights)


@known_answer("AsyncInsurer", breaks="gives_up_in_time", says="the end of a `with` around an executor")
class JoinsTheThreadOnTheLoop(Client):
    async def premium(self, nights):
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.timeout):
                with ThreadPoolExecutor(1) as thread:
                    return await loop.run_in_executor(thread, copy_context().run, self.sdk.premium, nights)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError from error


@known_answer("AsyncInsurer", breaks="gives_up_in_time", says="1 inside the SDK")
class WaitsForItsTurnOutsideTheLimit(Client):
    def __init__(self, sdk, *, at_most, timeout):
        super().__init__(sdk, at_most=at_most, timeout=timeout)
        self.places = asyncio.Semaphore(at_most)

    async def premium(self, nights):
        await self.places.acquire()
        call = self.ask(nights)
        call.add_done_callback(lambda _: self.places.release())
        try:
            async with asyncio.timeout(self.timeout):
                return await asyncio.shield(call)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError from error


@known_answer("AsyncInsurer", breaks="gives_up_in_time", says="call 1 of one client, timeout=0.5")
class HalfTheLimit(Translating):
    async def answer(self, nights):
        try:
            return await asyncio.wait_for(self.ask(nights), self.timeout / 2)
        except TimeoutError as error:
            raise InsurerError from error


@known_answer("AsyncInsurer", breaks="keeps_the_limit", says="inside those of the others")
class OneExecutorForAll(Client):
    threads = ThreadPoolExecutor(2)

    def __init__(self, sdk, *, at_most, timeout):
        self.sdk, self.timeout = sdk, timeout

    async def premium(self, nights):
        try:
            return await asyncio.wait_for(self.ask(nights), self.timeout)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError from error


@known_answer(
    "AsyncInsurer", breaks="lets_others_through", says="a mistake of our own looks like a failing service"
)
class TakesEveryOSErrorForTheInsurer(Client):
    async def premium(self, nights):
        try:
            return await asyncio.wait_for(self.ask(nights), self.timeout)
        except (ServiceError, OSError) as error:
            raise InsurerError("no premium") from error


@known_answer("AsyncInsurer", breaks="gives_the_premium", says="call 2 of one client")
class RemembersPremiums(WaitsFor):
    remembered = None

    async def premium(self, nights):
        self.remembered = self.remembered or {}
        if nights not in self.remembered:
            self.remembered[nights] = await super().premium(nights)
        return self.remembered[nights]


@known_answer("AsyncInsurer", breaks="gives_up_in_time", says="none after 0.6 seconds")
class TriesASecondTime(WaitsFor):
    async def premium(self, nights):
        try:
            return await super().premium(nights)
        except InsurerError:
            return await super().premium(nights)


@known_answer("AsyncInsurer", breaks="translates_errors", says="was not given back")
class KeepsTheTurnOfAFailedCall:
    def __init__(self, sdk, *, at_most, timeout):
        self.sdk, self.timeout, self.places = sdk, timeout, asyncio.Semaphore(at_most)

    def leave(self, call):
        if not call.cancelled() and not call.exception():
            self.places.release()

    async def premium(self, nights):
        try:
            async with asyncio.timeout(self.timeout):
                await self.places.acquire()
                call = asyncio.ensure_future(asyncio.to_thread(self.sdk.premium, nights))
                call.add_done_callback(self.leave)
                return await asyncio.shield(call)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError("no premium") from error


@known_answer("AsyncInsurer")
class LooksWhatHasEnded(Client):
    async def premium(self, nights):
        call = self.threads.submit(copy_context().run, self.sdk.premium, nights)
        await asyncio.wait([asyncio.wrap_future(call)], timeout=self.timeout)
        if not call.done():
            call.cancel()
            raise InsurerError(f"no answer in {self.timeout} seconds")
        try:
            return call.result()
        except (ServiceError, TimeoutError) as error:
            raise InsurerError(str(error)) from error


@known_answer("AsyncInsurer")
class TurnsThatTheCallGivesBack:
    def __init__(self, sdk, *, at_most, timeout):
        self.sdk, self.timeout = sdk, timeout
        self.turns = asyncio.Semaphore(at_most)

    def call_is_over(self, call):
        self.turns.release()
        if not call.cancelled():
            call.exception()

    async def premium(self, nights):
        try:
            async with asyncio.timeout(self.timeout):
                await self.turns.acquire()
                call = asyncio.create_task(asyncio.to_thread(self.sdk.premium, nights))
                call.add_done_callback(self.call_is_over)
                return await asyncio.shield(call)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError(str(error)) from error


@known_answer("AsyncInsurer", breaks="carries_the_context", says="its context was kept")
class KeepsTheContextOfItsMaking(WaitsFor):
    def __init__(self, sdk, *, at_most, timeout):
        super().__init__(sdk, at_most=at_most, timeout=timeout)
        self.context = copy_context()

    def ask(self, nights):
        run = self.context.copy().run
        return asyncio.get_running_loop().run_in_executor(self.threads, run, self.sdk.premium, nights)


@known_answer("AsyncInsurer", breaks="gives_up_in_time", says="one that still waited after 0.6 seconds")
class BeginsTheLimitAnew(TurnsThatTheCallGivesBack):
    async def premium(self, nights):
        try:
            await asyncio.wait_for(self.turns.acquire(), self.timeout)
            call = asyncio.create_task(asyncio.to_thread(self.sdk.premium, nights))
            call.add_done_callback(self.call_is_over)
            return await asyncio.wait_for(asyncio.shield(call), self.timeout)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError(str(error)) from error


@known_answer("AsyncInsurer", breaks="gives_up_in_time", says="call 2 of one client, timeout=0.5")
class ShortensItsLimit(WaitsFor):
    async def premium(self, nights):
        self.timeout *= 0.7
        return await super().premium(nights)


threads_by_number = {}


@known_answer("AsyncInsurer", breaks="keeps_the_limit", says="inside those of the others")
class SharesItsThreadsByTheirNumber(WaitsFor):
    def __init__(self, sdk, *, at_most, timeout):
        super().__init__(sdk, at_most=at_most, timeout=timeout)
        self.threads = threads_by_number.setdefault(at_most, self.threads)


@known_answer(
    "AsyncInsurer",
    breaks="counts_what_was_given_up",
    says="the first one cancelled, at_most=1",
    because="the place is free again when the caller leaves, and the thread",
)
class FreesTheTurnOfOneWhoLeaves(TurnsThatTheCallGivesBack):
    async def premium(self, nights):
        try:
            async with asyncio.timeout(self.timeout):
                await self.turns.acquire()
                call = asyncio.create_task(asyncio.to_thread(self.sdk.premium, nights))
                call.add_done_callback(self.call_is_over)
                return await asyncio.shield(call)
        except asyncio.CancelledError:
            call.remove_done_callback(self.call_is_over)
            self.turns.release()
            raise
        except (ServiceError, TimeoutError) as error:
            raise InsurerError(str(error)) from error


@known_answer("AsyncInsurer", breaks="counts_what_was_given_up", says="it waits for a turn")
class KeepsATurnThatNobodyTakes(TurnsThatTheCallGivesBack):
    async def premium(self, nights):
        turn = asyncio.ensure_future(self.turns.acquire())
        try:
            async with asyncio.timeout(self.timeout):
                await asyncio.shield(turn)
                call = asyncio.create_task(asyncio.to_thread(self.sdk.premium, nights))
                call.add_done_callback(self.call_is_over)
                return await asyncio.shield(call)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError(str(error)) from error


@known_answer("AsyncInsurer", breaks="lets_others_through", says="expected CancelledError")
class TakesACancellationForTrouble(Client):
    async def premium(self, nights):
        try:
            async with asyncio.timeout(self.timeout):
                return await self.ask(nights)
        except (ServiceError, TimeoutError, asyncio.CancelledError) as error:
            raise InsurerError(str(error)) from error


@known_answer("AsyncInsurer", breaks="translates_errors", says="ServiceIsFull: rates answered 429")
class ComparesTheKindOfError(Client):
    async def premium(self, nights):
        try:
            async with asyncio.timeout(self.timeout):
                return await self.ask(nights)
        except Exception as error:
            if type(error) in (ServiceError, TimeoutError):
                raise InsurerError(str(error)) from error
            raise


@known_answer("AsyncInsurer", breaks="carries_the_context", says="two calls of one client together")
class AsksOnceForAsManyNights(Client):
    def __init__(self, sdk, *, at_most, timeout):
        super().__init__(sdk, at_most=at_most, timeout=timeout)
        self.calls = {}

    async def premium(self, nights):
        if nights not in self.calls:
            self.calls[nights] = self.ask(nights)
            self.calls[nights].add_done_callback(lambda call: self.calls.pop(nights))
        try:
            async with asyncio.timeout(self.timeout):
                return await asyncio.shield(self.calls[nights])
        except (ServiceError, TimeoutError) as error:
            raise InsurerError(str(error)) from error
