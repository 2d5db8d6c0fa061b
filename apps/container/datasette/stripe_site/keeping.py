"""Tables and rows depend on the data alone, so the proxy may keep their pages: without Datasette's own "no-cache" it does, by the data's version."""

from contextvars import ContextVar

from datasette import hookimpl


class _Page:
    whole = True


_page: "ContextVar[_Page | None]" = ContextVar("page", default=None)


def lacks_something() -> None:
    """The page that is being made lacks what took too long or is still being counted: it is not one to keep."""
    page = _page.get()
    if page is not None:
        page.whole = False


@hookimpl
def asgi_wrapper(datasette):
    def wrap(app):
        async def kept(scope, receive, send):
            if scope["type"] != "http" or not scope["path"].startswith("/stripe"):
                await app(scope, receive, send)
                return
            page = _Page()
            _page.set(page)

            async def answer(message):
                if message["type"] == "http.response.start" and message["status"] == 200 and page.whole:
                    headers = [(k, v) for k, v in message["headers"] if (k.lower(), v) != (b"cache-control", b"no-cache")]
                    message = {**message, "headers": headers}
                await send(message)

            await app(scope, receive, answer)

        return kept

    return wrap
