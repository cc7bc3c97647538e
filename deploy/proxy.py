"""The proxy of a hub, in Python, made fit for a class: it passes answers on while they are still coming.

configurable-http-proxy 0.4 keeps an answer until it is complete, gives up after 20 seconds, and has ten requests
under way at most: the page of a server that starts would be one of them, for each learner.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from configurable_http_proxy import cli, configproxy
from configurable_http_proxy.handlers import ProxyHandler
from tornado.iostream import StreamClosedError
from yarl import URL

OF_ONE_CONNECTION = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
"""Headers that are not passed on."""
MADE_BY_CLIENT = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that aiohttp would add to a request."""
LONGEST_HEADER = 2**16
CONNECT_LIMIT = 20.0
"""Seconds that a server may take to accept a connection; an answer may take as long as it likes."""


class Upstream:
    """The connections to the hub and to learners' servers; made at the first request, in the proxy's event loop."""

    session: aiohttp.ClientSession | None = None

    @classmethod
    def connections(cls) -> aiohttp.ClientSession:
        if cls.session is None:
            cls.session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_LIMIT),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=MADE_BY_CLIENT,
                max_line_size=LONGEST_HEADER,
                max_field_size=LONGEST_HEADER,
            )
        return cls.session


class StreamingHandler(ProxyHandler):
    """One request: asked of its target, and the answer passed on piece by piece."""

    answer: aiohttp.ClientResponse | None = None

    async def call_proxy(self, path: str | None = None) -> None:
        """Pass the request on to where its path leads."""
        address = await self.get_target_url(path)
        if address is None:
            return
        try:
            async with self._asked(address) as self.answer:
                await self._pass_on(self.answer)
        except StreamClosedError:
            return  # the browser is gone
        except (aiohttp.ClientError, TimeoutError) as error:
            if self._headers_written:
                self.request.connection.stream.close()  # as the target did
            else:
                await self.handle_proxy_error(503, error)

    def _asked(self, address: str) -> Any:
        sent = self._get_proxy_request(address).headers
        headers = {key: value for key, value in sent.items() if key.lower() not in OF_ONE_CONNECTION}
        headers.pop("Content-Length", None)
        return Upstream.connections().request(
            self.request.method,
            URL(address, encoded=True),
            headers=headers,
            data=self.request.body or None,
            allow_redirects=False,
        )

    async def _pass_on(self, answer: aiohttp.ClientResponse) -> None:
        self.set_status(answer.status, answer.reason)
        for name in list(self._headers):
            self.clear_header(name)
        for name, value in answer.headers.items():
            if name.lower() not in OF_ONE_CONNECTION:
                self.add_header(name, value)
        await self.flush()  # before the first piece: tornado would make an ETag and a length of its own
        async for piece in answer.content.iter_any():
            self.write(piece)
            await self.flush()
        await self.finish()

    def on_connection_close(self) -> None:
        """The browser is gone: nobody needs the rest."""
        super().on_connection_close()
        if self.answer is not None:
            self.answer.close()


if __name__ == "__main__":
    configproxy.ProxyHandler = StreamingHandler
    cli.main()
