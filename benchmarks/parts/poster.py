"""One process that posts bodies over HTTP: `python -m benchmarks.parts.poster PORT CONNECTIONS`.

It is given its posts as [path, body] pairs, says it is ready, is told to go, and answers with the second (since 1970)
of its first byte and of its last answer, and with how many answers were other than 200. As many posts are under way
at once as there are connections, which stay open; with 0, every post has a connection of its own, all at once.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator

HEAD = (
    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
)
Post = list[str]


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, post: Post) -> bool:
    """Post, and read the whole answer; whether it is a 200."""
    path, body = post[0], post[1].encode()
    writer.write(HEAD.format(path=path, port=port, size=len(body)).encode() + body)
    head = await reader.readuntil(b"\r\n\r\n")
    sizes = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    await reader.readexactly(int(sizes[0]))
    return head.startswith(b"HTTP/1.1 200 ")


async def connection(port: int, posts: Iterator[Post]) -> int:
    """Posts what the other connections have left; how many went wrong."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    wrong = 0
    for post in posts:
        wrong += not await exchange(reader, writer, port, post)
    writer.close()
    return wrong


async def run(port: int, connections: int, posts: list[Post]) -> list[float]:
    shared = iter(posts if connections else ())
    shares = [shared] * connections or [iter([post]) for post in posts]
    begun = time.time()
    outcomes = await asyncio.gather(*(connection(port, share) for share in shares), return_exceptions=True)
    # A connection that broke lost the post it had at hand, and stopped.
    wrong = sum(1 if isinstance(outcome, BaseException) else outcome for outcome in outcomes)
    return [begun, time.time(), wrong + len(list(shared))]


def main(port: str, connections: str) -> None:
    posts = json.loads(sys.stdin.readline())
    print(json.dumps("ready"), flush=True)
    sys.stdin.readline()
    print(json.dumps(asyncio.run(run(int(port), int(connections), posts))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
