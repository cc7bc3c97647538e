import asyncio
from contextlib import AsyncExitStack

from tutorial_project.checks import known_answer


@known_answer(
    "with_client",
    when="Where more than one thing is opened: what was opened is closed, in turn, if the next one fails.",
)
def an_exit_stack(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            await application(scope, receive, send)
            return
        assert (await receive())["type"] == "lifespan.startup"
        async with AsyncExitStack() as stack:
            try:
                scope["state"]["client"] = await stack.enter_async_context(open_client())
            except Exception as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer(
    "with_client",
    when="Where a server speaks `lifespan` and hands on no state: the layer itself gives the client to each request.",
)
class RememberedByTheLayer:
    def __init__(self, application, open_client):
        self.application, self.open_client, self.client = application, open_client, None

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self.live(receive, send)
        else:
            await self.application(scope | {"state": {"client": self.client}}, receive, send)

    async def live(self, receive, send):
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    self.client = self.open_client()
                except Exception as error:
                    await send({"type": "lifespan.startup.failed", "message": f"{error}"})
                else:
                    await send({"type": "lifespan.startup.complete"})
            else:
                await self.client.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return


@known_answer("with_client", breaks="opens_at_startup", says="no server has started")
def opened_with_the_layer(application, open_client):
    client = open_client()

    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"]["client"] = client
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="opens_at_startup", says="Django knows no `lifespan`")
def everything_goes_to_django(application, open_client):
    async def layer(scope, receive, send):
        await application(scope, receive, send)

    return layer


@known_answer("with_client", breaks="opens_at_startup", says="waits for the next message")
def never_says_complete(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"]["client"] = client = open_client()
        await receive()
        await client.aclose()

    return layer


@known_answer("with_client", breaks="opens_at_startup", says="can't be")
def awaits_the_opening(application, open_client):
    async def layer(scope, receive, send):
        await receive()
        try:
            scope["state"]["client"] = await open_client()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})

    return layer


@known_answer("with_client", breaks="hands_it_to_requests", says="does not pass `http` on")
def leaves_the_requests_out(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["client"] = open_client()
            await send({"type": "lifespan.startup.complete"})

    return layer


@known_answer("with_client", breaks="closes_at_shutdown", says="`aclose()` was called and not awaited")
def closes_without_await(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"]["client"] = client = open_client()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="says_that_the_start_failed", says="OfficeClosed(")
def sends_the_error_itself(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        try:
            scope["state"]["client"] = client = open_client()
        except Exception as error:
            return await send({"type": "lifespan.startup.failed", "message": error})
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="hands_it_to_requests", says="a closed client")
def closed_too_early(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        async with open_client() as client:
            scope["state"]["client"] = client
            await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="hands_it_to_requests", says="None")
def kept_in_a_variable_only(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        client = open_client()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="hands_it_to_requests", says="put another dictionary into its scope")
def a_new_dictionary_for_the_state(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"] = {"client": open_client()}
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await scope["state"]["client"].aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="closes_at_shutdown", says="the application had returned")
def returns_after_the_start(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"]["client"] = open_client()
        await send({"type": "lifespan.startup.complete"})

    return layer


@known_answer(
    "with_client",
    breaks="closes_at_shutdown",
    says="a client that is open still",
    because="the server may end the process as soon as it has heard of the",
)
def closed_after_the_last_word(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"]["client"] = client = open_client()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        await client.aclose()

    return layer


@known_answer("with_client", breaks="says_that_the_start_failed", says="OfficeClosed: office")
def a_failed_start_raises(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"]["client"] = client = open_client()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="says_that_the_start_failed", says="lifespan.startup.complete")
def starts_without_a_client(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        try:
            scope["state"]["client"] = open_client()
        except Exception:
            scope["state"]["client"] = None
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if scope["state"]["client"]:
            await scope["state"]["client"].aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", when="Where the wait may be cancelled: the client is closed then, too.")
def a_finally_around_the_wait(application, open_client):
    async def lifespan(scope, receive, send):
        await receive()
        try:
            client = scope["state"]["client"] = open_client()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": f"{error}"})
        else:
            try:
                await send({"type": "lifespan.startup.complete"})
                await receive()
            finally:
                await client.aclose()
            await send({"type": "lifespan.shutdown.complete"})

    async def layer(scope, receive, send):
        await (lifespan if scope["type"] == "lifespan" else application)(scope, receive, send)

    return layer


@known_answer("with_client", breaks="opens_at_startup", says="before `await receive()` had brought a message")
def opened_before_the_message(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        scope["state"]["client"] = client = open_client()
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer(
    "with_client", breaks="opens_at_startup", says="after the server had been told that all is ready"
)
def complete_before_it_is(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        await send({"type": "lifespan.startup.complete"})
        scope["state"]["client"] = client = open_client()
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="hands_it_to_requests", says="does not pass `websocket` on")
def http_and_lifespan_only(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] == "http":
            return await application(scope, receive, send)
        await receive()
        scope["state"]["client"] = client = open_client()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="hands_it_to_requests", says="4 clients opened")
def one_more_for_each_connection(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            async with open_client() as client:
                return await application(scope | {"state": {"client": client}}, receive, send)
        await receive()
        scope["state"]["client"] = client = open_client()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="says_that_the_start_failed", says="OfficeClosed: office")
def catches_one_kind_of_error(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        try:
            scope["state"]["client"] = client = open_client()
        except OSError as error:
            return await send({"type": "lifespan.startup.failed", "message": str(error)})
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="says_that_the_start_failed", says="lifespan.startup.complete")
def goes_on_after_the_failure(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        client = None
        try:
            scope["state"]["client"] = client = open_client()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if client:
            await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="hands_it_to_requests", says="one inside, the other one outside")
def one_request_at_a_time(application, open_client):
    inner, lock = an_exit_stack(application, open_client), asyncio.Lock()

    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            return await inner(scope, receive, send)
        async with lock:
            await inner(scope, receive, send)

    return layer


clients_of_the_process = []


@known_answer(
    "with_client", breaks="closes_at_shutdown", says="the two layers keep their clients in one place"
)
def one_place_for_all_layers(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            state = scope.get("state", {}) | {"client": clients_of_the_process[-1]}
            return await application(scope | {"state": state}, receive, send)
        await receive()
        try:
            clients_of_the_process.append(open_client())
        except Exception as error:
            return await send({"type": "lifespan.startup.failed", "message": str(error)})
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await clients_of_the_process.pop().aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="hands_it_to_requests", says="had been told that all is ready")
def hands_it_on_after_the_start(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        try:
            client = open_client()
        except Exception as error:
            return await send({"type": "lifespan.startup.failed", "message": str(error)})
        await send({"type": "lifespan.startup.complete"})
        scope["state"]["client"] = client
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


def lifespan_alone(application, live):
    """The layer, but for what it does with the `lifespan` call."""

    async def layer(scope, receive, send):
        await (live if scope["type"] == "lifespan" else application)(scope, receive, send)

    return layer


@known_answer("with_client", breaks="opens_at_startup", says="the second start of the same application")
def opens_one_for_ever(application, open_client):
    kept = []

    async def live(scope, receive, send):
        await receive()
        try:
            client = scope["state"]["client"] = kept[0] if kept else open_client()
        except Exception as error:
            return await send({"type": "lifespan.startup.failed", "message": str(error)})
        kept.append(client)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return lifespan_alone(application, live)


@known_answer("with_client", breaks="says_that_the_start_failed", says="and then lifespan.shutdown")
def says_goodbye_after_the_failure(application, open_client):
    async def live(scope, receive, send):
        client = None
        while (message := await receive())["type"] == "lifespan.startup":
            try:
                client = scope["state"]["client"] = open_client()
            except Exception as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
            else:
                await send({"type": "lifespan.startup.complete"})
        if client is not None:
            await client.aclose()
        await send({"type": message["type"] + ".complete"})

    return lifespan_alone(application, live)


@known_answer("with_client", breaks="says_that_the_start_failed", says="Errno")
def tells_the_first_part_of_the_error(application, open_client):
    async def live(scope, receive, send):
        await receive()
        try:
            client = scope["state"]["client"] = open_client()
        except Exception as error:
            return await send({"type": "lifespan.startup.failed", "message": str(error.args[0])})
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return lifespan_alone(application, live)


@known_answer("with_client", breaks="says_that_the_start_failed", says="whose aclose() raises")
def takes_any_error_for_a_failed_start(application, open_client):
    async def live(scope, receive, send):
        try:
            await receive()
            client = scope["state"]["client"] = open_client()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await client.aclose()
            await send({"type": "lifespan.shutdown.complete"})
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})

    return lifespan_alone(application, live)


@known_answer("with_client", breaks="closes_at_shutdown", says="and then lifespan.shutdown")
def says_goodbye_twice(application, open_client):
    async def live(scope, receive, send):
        await receive()
        try:
            client = scope["state"]["client"] = open_client()
        except Exception as error:
            return await send({"type": "lifespan.startup.failed", "message": str(error)})
        try:
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await client.aclose()
            await send({"type": "lifespan.shutdown.complete"})
        finally:
            await send({"type": "lifespan.shutdown.complete"})

    return lifespan_alone(application, live)
