"""What the proxy can do wrong, each a function of a request in hand; and what of it belongs to reading and writing."""

import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from random import Random

from faults.proxy.server import Answer, Handler

__all__ = ["ANSWERS", "DAMAGE", "LIES", "MISDEEDS", "READS", "WRITES"]

Misdeed = Callable[[Handler, Random], None]

_PORTAL = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please accept the terms of use.</body></html>"
_TLS_ALERT = bytes.fromhex("15030100020246")
_MOST_ENDLESS_BYTES = 64 * 1024 * 1024
_STALL_SECONDS = 4.0
"""Longer than a client waits whose clock goes thirty times as fast."""
_HEAD = "HEAD"


# --- time ---------------------------------------------------------------------------------------------------------


def delay(handler: Handler, random: Random) -> None:
    """Answer late, but well."""
    handler.wait(random.uniform(0.02, 0.3))
    handler.hand_on()


def never_answer(handler: Handler, _random: Random) -> None:
    """Take the request, and say nothing."""
    handler.body()
    handler.wait(_STALL_SECONDS)
    handler.hang_up()


def drip(handler: Handler, random: Random) -> None:
    """Send the body a few bytes at a time, for ever."""
    answer = handler.fetch()
    handler.give(answer, cut=len(answer.body) // 3)
    for position in range(len(answer.body) // 3, len(answer.body)):
        if not handler.wait(random.uniform(0.01, 0.05)) or not handler.push(answer.body[position : position + 1]):
            break
    handler.hang_up()


# --- connections that break ---------------------------------------------------------------------------------------


def reset_before_answer(handler: Handler, _random: Random) -> None:
    """Reset the connection instead of an answer."""
    handler.body()
    handler.reset()


def close_before_answer(handler: Handler, _random: Random) -> None:
    """Close the connection without an answer."""
    handler.body()
    handler.hang_up()


def reset_in_head(handler: Handler, random: Random) -> None:
    """Reset the connection in the middle of the answer's head."""
    handler.fetch()
    handler.push(b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image"[: random.randrange(1, 55)])
    handler.reset()


def reset_in_body(handler: Handler, random: Random) -> None:
    """Reset the connection in the middle of the body."""
    answer = handler.fetch()
    handler.give(answer, cut=random.randrange(len(answer.body) + 1))
    handler.reset()


def close_in_body(handler: Handler, random: Random) -> None:
    """Close the connection in the middle of the body."""
    answer = handler.fetch()
    handler.give(answer, cut=random.randrange(len(answer.body) + 1))
    handler.hang_up()


def stall_in_body(handler: Handler, random: Random) -> None:
    """Send a part of the body, and keep the client waiting."""
    answer = handler.fetch()
    handler.give(answer, cut=random.randrange(len(answer.body) + 1))
    handler.wait(_STALL_SECONDS)
    handler.hang_up()


# --- bodies that are wrong ----------------------------------------------------------------------------------------


def flip_a_bit(handler: Handler, random: Random) -> None:
    """Change one bit of the body."""
    answer = handler.fetch()
    body = bytearray(answer.body)
    if body:
        body[random.randrange(len(body))] ^= 1 << random.randrange(8)
    handler.give(Answer(answer.status, answer.headers, bytes(body)))


def swap_pieces(handler: Handler, random: Random) -> None:
    """Send two pieces of the body in each other's place."""
    answer = handler.fetch()
    first, second = sorted(random.randrange(len(answer.body) + 1) for _ in range(2))
    size = min(second - first, len(answer.body) - second)
    body = answer.body
    swapped = body[:first] + body[second : second + size] + body[first + size : second] + body[first : first + size]
    handler.give(Answer(answer.status, answer.headers, swapped + body[len(swapped) :]))


def repeat_a_piece(handler: Handler, random: Random) -> None:
    """Send a piece of the body twice, and no more than was promised."""
    answer = handler.fetch()
    at = random.randrange(len(answer.body) + 1)
    piece = answer.body[at : at + random.randrange(1, 4096)]
    body = (answer.body[:at] + piece + answer.body[at:])[: len(answer.body)]
    handler.give(Answer(answer.status, answer.headers, body))


def answer_of_another(handler: Handler, random: Random) -> None:
    """Send the body of another answer."""
    answer = handler.fetch()
    others = [body for body in handler.other_bodies if body != answer.body]
    handler.give(Answer(answer.status, answer.headers, random.choice(others) if others else b"{}"))


def endless_body(handler: Handler, _random: Random) -> None:
    """Send a body that does not end."""
    answer = handler.fetch()
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
    handler.head(answer.status, {**headers, "Transfer-Encoding": "chunked"})
    block = b"10000\r\n" + bytes(65536) + b"\r\n"
    while handler.command != _HEAD and handler.record.sent_bytes < _MOST_ENDLESS_BYTES and handler.push(block):
        continue
    handler.hang_up()


def nothing_in_it(handler: Handler, _random: Random) -> None:
    """Answer well, with an empty body."""
    answer = handler.fetch()
    handler.give(Answer(answer.status, answer.headers, b""))


# --- heads that lie -----------------------------------------------------------------------------------------------


def promise_more(handler: Handler, random: Random) -> None:
    """Say that the body is longer than it is."""
    answer = handler.fetch()
    handler.give(answer, length=len(answer.body) + random.randrange(1, 100_000))
    handler.hang_up()


def promise_less(handler: Handler, random: Random) -> None:
    """Say that the body is shorter than it is, and send all of it."""
    answer = handler.fetch()
    handler.give(answer, length=random.randrange(max(1, len(answer.body))))
    handler.hang_up()


def no_length(handler: Handler, random: Random) -> None:
    """Say nothing of the length, and end the body too early by closing."""
    answer = handler.fetch()
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
    handler.head(answer.status, {**headers, "Connection": "close"})
    if handler.command != _HEAD:
        handler.push(answer.body[: random.randrange(len(answer.body) + 1)])
    handler.hang_up()


def two_lengths(handler: Handler, _random: Random) -> None:
    """Say two lengths."""
    answer = handler.fetch()
    handler.head(answer.status, {**answer.headers, "content-length": "7", "Content-Length": str(len(answer.body))})
    handler.push(answer.body)
    handler.hang_up()


def wrong_type(handler: Handler, random: Random) -> None:
    """Say that the body is of another media type."""
    kinds = ["text/html", "application/json", "", "application/vnd.oci.image.index.v1+json", "x" * 3000, "a/b; c=\x7f"]
    _with_header(handler, "Content-Type", random.choice(kinds))


def wrong_digest(handler: Handler, random: Random) -> None:
    """Say that the body has another digest."""
    said = ["sha256:" + random.randbytes(32).hex(), "sha256:00", "md5:" + "0" * 32, "nonsense", "sha512:" + "0" * 128]
    _with_header(handler, "Docker-Content-Digest", random.choice(said))


def wrong_range(handler: Handler, random: Random) -> None:
    """Answer with a part that was not asked for."""
    answer = handler.fetch()
    start = random.randrange(len(answer.body) + 1)
    part = answer.body[start:]
    said = f"bytes {start}-{len(answer.body) - 1}/{len(answer.body)}"
    handler.give(Answer(206, {**answer.headers, "Content-Range": said}, part))


def no_ranges(handler: Handler, _random: Random) -> None:
    """Send the whole where a part was asked for: a right the protocol gives."""
    del handler.headers["Range"]
    handler.hand_on()


# --- answers that are not asked for -------------------------------------------------------------------------------


def unauthorized(handler: Handler, random: Random) -> None:
    """Ask for a login."""
    challenges = [
        {},
        {"WWW-Authenticate": 'Basic realm="proxy"'},
        {"WWW-Authenticate": 'Bearer realm="http://127.0.0.1:9/token",service="x"'},
        {"WWW-Authenticate": 'Bearer realm=,,,===\\"'},
        {"WWW-Authenticate": "Negotiate"},
    ]
    _refuse(handler, 401, random.choice(challenges), b'{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}')


def too_many_requests(handler: Handler, random: Random) -> None:
    """Ask the client to come back later, in sensible and in absurd words."""
    now = time.time()
    waits = ["0", "1", "2", "-5", "999999999999999999999", "soon", "", "1.5", formatdate(now + 2, usegmt=True)]
    waits += [formatdate(now - 86400, usegmt=True), "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 99 Foo 0000 99:99:99 GMT"]
    _refuse(handler, 429, {"Retry-After": random.choice(waits)}, b'{"errors":[{"code":"TOOMANYREQUESTS"}]}')


def server_error(handler: Handler, random: Random) -> None:
    """Fail as servers do."""
    bodies = [b"", b"upstream connect error", b"<html><h1>502 Bad Gateway</h1></html>", b"\xff\xfe\x00\x1b[31m"]
    _refuse(handler, random.choice([500, 502, 503, 504]), {}, random.choice(bodies))


def forbidden(handler: Handler, _random: Random) -> None:
    """Deny it."""
    _refuse(handler, 403, {}, b'{"errors":[{"code":"DENIED","message":"quota"}]}')


def not_found(handler: Handler, random: Random) -> None:
    """Deny that it is there; not of signatures, for whether there are any is the registry's to say."""
    if "/referrers/" in handler.path or "/manifests/sha256-" in handler.path:
        handler.hand_on()
        return
    _refuse(handler, 404, {}, random.choice([b"404 page not found", b'{"errors":[{"code":"BLOB_UNKNOWN"}]}']))


def captive_portal(handler: Handler, _random: Random) -> None:
    """Answer with a page to sign in, as hotels do."""
    handler.body()
    handler.give(Answer(200, {"Content-Type": "text/html; charset=utf-8"}, _PORTAL))


def redirect_loop(handler: Handler, random: Random) -> None:
    """Send the client round in circles."""
    _refuse(handler, random.choice([301, 302, 307, 308]), {"Location": handler.path}, b"")


def redirect_to_nowhere(handler: Handler, random: Random) -> None:
    """Send the client to where nobody is, or to what is no place."""
    places = ["http://127.0.0.1:9/blob", "ftp://example.com/x", "http://[::1", "//", "", "http://user:pw@127.0.0.1/"]
    _refuse(handler, random.choice([302, 307]), {"Location": random.choice(places)}, b"")


def no_http(handler: Handler, random: Random) -> None:
    """Answer in another tongue."""
    handler.body()
    handler.push(
        random.choice([_TLS_ALERT, b"SSH-2.0-OpenSSH_9.7\r\n", bytes(64), b"HTTP/9.9 abc\r\n\r\n", b"\r\n" * 20])
    )
    handler.hang_up()


def huge_head(handler: Handler, _random: Random) -> None:
    """Send a head that is far too large."""
    handler.body()
    handler.push(b"HTTP/1.1 200 OK\r\n" + b"X-Padding: " + b"x" * 200_000 + b"\r\n\r\n")
    handler.hang_up()


# --- uploads ------------------------------------------------------------------------------------------------------


def reset_in_request(handler: Handler, random: Random) -> None:
    """Reset the connection while the client sends."""
    handler.read_part(random.randrange(handler.length_of_body() + 1))
    handler.reset()


def keep_a_part(handler: Handler, random: Random) -> None:
    """Let the server have a part of what is sent, then reset."""
    if handler.command != "PATCH":
        reset_in_request(handler, random)
        return
    part = handler.read_part(random.randrange(handler.length_of_body() + 1))
    handler.fetch(
        part, {"Content-Range": _shorter(handler.headers.get("Content-Range", ""), len(part))} if part else None
    )
    handler.reset()


def lose_the_answer(handler: Handler, random: Random) -> None:
    """Let the server do it, and lose its answer."""
    handler.fetch()
    if random.random() < 0.5:  # noqa: PLR2004 - as often as not
        handler.reset()
    else:
        handler.hang_up()


def pretend_success(handler: Handler, _random: Random) -> None:
    """Say that it is done, and do nothing."""
    handler.body()
    status = {"PUT": 201, "PATCH": 202, "POST": 202}.get(handler.command, 200)
    handler.give(Answer(status, {"Location": handler.path, "Range": f"0-{max(0, handler.length_of_body() - 1)}"}, b""))


def no_place_to_send(handler: Handler, random: Random) -> None:
    """Begin an upload, and say that it goes to nowhere."""
    handler.body()
    places = ["http://127.0.0.1:9/up", "http://[::1", "ftp://x/y", "/v2/x/blobs/uploads/unknown"]
    headers = {"Location": random.choice(places)} if random.random() < 0.8 else {}  # noqa: PLR2004 - mostly
    handler.give(Answer(202, headers, b""))


def took_less(handler: Handler, random: Random) -> None:
    """Say that less has come than was sent."""
    answer = handler.fetch()
    said = f"0-{random.randrange(handler.length_of_body() + 1)}"
    handler.give(Answer(answer.status, {**answer.headers, "Range": said}, answer.body))


def too_large(handler: Handler, _random: Random) -> None:
    """Take no request as large as this."""
    _refuse(handler, 413, {}, b"<html>413 Request Entity Too Large</html>")


def _refuse(handler: Handler, status: int, headers: Mapping[str, str], body: bytes) -> None:
    handler.body()
    kind = "application/json" if body.startswith(b"{") else "text/html"
    handler.give(Answer(status, {"Content-Type": kind, **headers}, body))


def _with_header(handler: Handler, name: str, value: str) -> None:
    answer = handler.fetch()
    headers = {known: said for known, said in answer.headers.items() if known.lower() != name.lower()}
    handler.give(Answer(answer.status, {**headers, name: value}, answer.body))


def _shorter(content_range: str, size: int) -> str:
    start = content_range.partition("-")[0]
    return f"{start}-{int(start) + size - 1}" if start.isdigit() else f"0-{size - 1}"


_ANY: tuple[Misdeed, ...] = (
    delay,
    never_answer,
    reset_before_answer,
    close_before_answer,
    reset_in_head,
    unauthorized,
    too_many_requests,
    server_error,
    forbidden,
    not_found,
    captive_portal,
    redirect_loop,
    redirect_to_nowhere,
    no_http,
    huge_head,
)
_READING: tuple[Misdeed, ...] = (
    drip,
    reset_in_body,
    close_in_body,
    stall_in_body,
    flip_a_bit,
    swap_pieces,
    repeat_a_piece,
    answer_of_another,
    endless_body,
    nothing_in_it,
    promise_more,
    promise_less,
    no_length,
    two_lengths,
    wrong_type,
    wrong_digest,
    wrong_range,
    no_ranges,
)
_WRITING: tuple[Misdeed, ...] = (
    reset_in_request,
    keep_a_part,
    lose_the_answer,
    pretend_success,
    no_place_to_send,
    took_less,
    too_large,
)

MISDEEDS: Mapping[str, Misdeed] = {each.__name__: each for each in (*_ANY, *_READING, *_WRITING)}
READS: tuple[str, ...] = tuple(each.__name__ for each in (*_ANY, *_READING))
"""For a client that reads from a registry."""
DAMAGE: tuple[str, ...] = tuple(each.__name__ for each in (flip_a_bit, swap_pieces, repeat_a_piece, answer_of_another))
"""What only a digest finds, mostly: the answer is as long as it should be."""
WRITES: tuple[str, ...] = tuple(each.__name__ for each in (*_ANY, *_WRITING, promise_more, wrong_digest))
"""For a client that writes to one."""
ANSWERS: tuple[str, ...] = tuple(
    each.__name__
    for each in (*_ANY, drip, reset_in_body, close_in_body, stall_in_body, promise_more, promise_less, lose_the_answer)
)
"""For a client that trusts the server's answers, as those of an API server are: no changed bodies."""
LIES = frozenset({captive_portal.__name__, pretend_success.__name__})
"""Answers that say of something which is not so that it is; nobody can tell but by asking again."""
