"""A way to a PostgreSQL's Unix socket that takes its time."""

import asyncio
import contextlib
import threading


@contextlib.contextmanager
def slow_link(socket, delay):
    """The port of a listener that passes on what comes; each direction takes `delay` seconds. Runs in a thread of its own."""
    ready, made = threading.Event(), {}

    async def pass_on(reader, writer):
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(65_536):
                loop.call_later(delay, writer.write, data)
        except OSError:
            pass
        loop.call_later(delay, writer.close)

    async def connect(reader, writer):
        other_reader, other_writer = await asyncio.open_unix_connection(str(socket))
        await asyncio.gather(pass_on(reader, other_writer), pass_on(other_reader, writer))

    async def serve():
        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        made.update(loop=asyncio.get_running_loop(), stop=asyncio.Event(), port=server.sockets[0].getsockname()[1])
        ready.set()
        await made["stop"].wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield made["port"]
    finally:
        made["loop"].call_soon_threadsafe(made["stop"].set)
        thread.join(timeout=30)
