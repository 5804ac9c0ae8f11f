"""Tokens of OpenID Connect and of Kubernetes, checked offline; hostile ones find no way in."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from packhorse.base.errors import ConfigError
from packhorse.registry.access.jwt import encode_part
from packhorse.registry.access.oidc import read_keys
from tests.support.guarding import ACCESS, Guarded, basic, guarded

_CLUSTER = "https://kubernetes.default.svc.cluster.local"
_PEOPLE = "https://login.site.example"
_OIDC = f"""
oidc:
  - issuer: {_CLUSTER}
    audience: packhorse
    jwksFile: cluster.json
    kubernetes: true
  - issuer: {_PEOPLE}
    audience: registry
    jwksFile: people.json
    userClaim: preferred_username
    groupsClaim: groups
    groupPrefix: "site:"
"""


class RsaIssuer:
    """Signs as a cluster does."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)

    def jwk(self) -> dict[str, str]:
        numbers = self.key.public_key().public_numbers()
        n, e = (encode_part(number.to_bytes(256).lstrip(b"\0")) for number in (numbers.n, numbers.e))
        return {"kty": "RSA", "kid": "r1", "use": "sig", "n": n, "e": e}

    def token(self, claims: dict[str, Any], **header: Any) -> str:
        signed = f"{encode_part({'alg': 'RS256', 'kid': 'r1', **header})}.{encode_part(claims)}"
        return f"{signed}.{encode_part(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class EcIssuer:
    """Signs as a provider of logins does."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())

    def jwk(self) -> dict[str, str]:
        numbers = self.key.public_key().public_numbers()
        x, y = (encode_part(number.to_bytes(32)) for number in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "kid": "e1", "alg": "ES256", "x": x, "y": y}

    def token(self, claims: dict[str, Any], **header: Any) -> str:
        signed = f"{encode_part({'alg': 'ES256', 'kid': 'e1', **header})}.{encode_part(claims)}"
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{encode_part(r.to_bytes(32) + s.to_bytes(32))}"


CLUSTER, PEOPLE = RsaIssuer(), EcIssuer()


def account(**changes: Any) -> dict[str, Any]:
    """What a service account's token says."""
    now = int(time.time())
    claims = {"iss": _CLUSTER, "aud": ["packhorse"], "sub": "system:serviceaccount:ci:builder"}
    return {**claims, "iat": now, "nbf": now, "exp": now + 600, **changes}


def person(**changes: Any) -> dict[str, Any]:
    """What a person's token says."""
    claims = {"iss": _PEOPLE, "aud": "registry", "sub": "77", "preferred_username": "anna"}
    return {**claims, "groups": ["builders"], "exp": int(time.time()) + 600, **changes}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Guarded]:
    (tmp_path / "cluster.json").write_text(json.dumps({"keys": [CLUSTER.jwk()]}))
    (tmp_path / "people.json").write_text(json.dumps({"keys": [PEOPLE.jwk(), {"kty": "oct", "k": "c2VjcmV0"}]}))
    access = ACCESS.replace(
        "  nodes: [node]\n",
        '  nodes: [node, "group:system:serviceaccounts:ci"]\n  builders: ["group:site:builders"]\n',
    ).replace("    users: [ci]\n", '    users: [ci, "system:serviceaccount:ci:pusher"]\n    groups: [builders]\n')
    with guarded(tmp_path, access + _OIDC) as running:
        assert running.put("team/app", "admin").status == 201
        yield running


def bearer(token: str) -> str:
    """A header with a token."""
    return f"Bearer {token}"


def test_a_service_account_has_the_role_of_its_namespace_or_of_itself(site: Guarded) -> None:
    builder = bearer(CLUSTER.token(account()))
    assert site.ask("/v2/team/app/manifests/1", Authorization=builder).status == 200
    assert site.put("team/app", None, Authorization=builder).status == 403
    pusher = bearer(CLUSTER.token(account(sub="system:serviceaccount:ci:pusher")))
    assert site.put("team/app", None, Authorization=pusher).status == 201
    other = bearer(CLUSTER.token(account(sub="system:serviceaccount:web:builder")))
    assert site.ask("/v2/team/app/manifests/1", Authorization=other).status == 403
    assert site.events()[-2]["user"] == "system:serviceaccount:ci:pusher"


def test_a_person_has_the_role_of_a_group_with_its_prefix(site: Guarded) -> None:
    assert site.put("team/app", None, Authorization=bearer(PEOPLE.token(person()))).status == 201
    stranger = bearer(PEOPLE.token(person(groups=["others", 3, None])))
    assert site.put("team/app", None, Authorization=stranger).status == 403
    without = bearer(PEOPLE.token(person(groups={"builders": 1})))
    assert site.put("team/app", None, Authorization=without).status == 403


def test_programs_that_know_no_tokens_send_one_as_a_password(site: Guarded) -> None:
    shown = basic("token", CLUSTER.token(account()))
    assert site.ask("/v2/team/app/manifests/1", Authorization=shown).status == 200
    given = json.loads(site.ask("/token?scope=repository:team/app:pull,push", Authorization=shown).body)
    assert given["scope"] == "repository:team/app:pull"
    assert site.ask("/v2/team/app/manifests/1", Authorization=bearer(given["token"])).status == 200


def none_at_all() -> str:
    return f"{encode_part({'alg': 'none'})}.{encode_part(account())}."


def public_key_as_secret(algorithm: str = "HS256", **header: str) -> str:
    public = CLUSTER.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signed = f"{encode_part({'alg': algorithm, 'kid': 'r1', **header})}.{encode_part(account())}"
    return f"{signed}.{encode_part(hmac.digest(public, signed.encode(), 'sha256'))}"


def secret_among_the_keys() -> str:
    signed = f"{encode_part({'alg': 'HS256'})}.{encode_part(person())}"
    return f"{signed}.{encode_part(hmac.digest(b'secret', signed.encode(), 'sha256'))}"


def one_after_another(count: int) -> str:
    claims = base64.urlsafe_b64encode(b'{"a":' * count + b"1" + b"}" * count).rstrip(b"=").decode()
    return f"{encode_part({'alg': 'RS256'})}.{claims}.{encode_part(b'x')}"


NOW = int(time.time())
HOSTILE = {
    "none": none_at_all(),
    "None with a signature": CLUSTER.token(account(), alg="None"),
    "empty algorithm": CLUSTER.token(account(), alg=""),
    "key confusion": public_key_as_secret(),
    "key confusion as ours": public_key_as_secret(typ="packhorse+jwt"),
    "key confusion as RS256": public_key_as_secret("RS256"),
    "secret in the key set": secret_among_the_keys(),
    "another key": RsaIssuer().token(account()),
    "a person's key for a cluster": PEOPLE.token(account()),
    "key id of nobody": CLUSTER.token(account(), kid="r2"),
    "its own key": CLUSTER.token(account(), jwk=EcIssuer().jwk(), kid="x"),
    "critical extension": CLUSTER.token(account(), crit=["exp"]),
    "detached": CLUSTER.token(account(), b64=False),
    "expired": CLUSTER.token(account(exp=NOW - 61)),
    "no end": CLUSTER.token({key: value for key, value in account().items() if key != "exp"}),
    "end as text": CLUSTER.token(account(exp="9999999999")),
    "not yet": CLUSTER.token(account(nbf=NOW + 600)),
    "another audience": CLUSTER.token(account(aud=["other"])),
    "part of the audience": CLUSTER.token(account(aud="packhorse-other")),
    "no audience": CLUSTER.token(account(aud=None)),
    "another issuer": CLUSTER.token(account(iss="https://evil.example")),
    "no issuer": CLUSTER.token(account(iss=None)),
    "a user of the file": PEOPLE.token(person(preferred_username="admin")),
    "a group as user": PEOPLE.token(person(preferred_username="group:admins")),
    "a cluster's user": PEOPLE.token(person(preferred_username="system:serviceaccount:ci:pusher")),
    "no user": PEOPLE.token(person(preferred_username="")),
    "a number as user": PEOPLE.token(person(preferred_username=7)),
    "with padding": CLUSTER.token(account()) + "=",
    "four parts": CLUSTER.token(account()) + ".x",
    "claims as a list": f"{encode_part({'alg': 'RS256'})}.{encode_part(b'[1]')}.x",
    "deep": one_after_another(400),
    "not UTF-8": f"{encode_part(bytes([255]))}.{encode_part(bytes([255]))}.{encode_part(bytes([255]))}",
    "s as large as the order": CLUSTER.token(account(), alg="ES256"),
}


@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_token_opens_nothing(site: Guarded, token: str) -> None:
    for shown in (bearer(token), basic("token", token)):
        reply = site.ask("/v2/team/app/manifests/1", Authorization=shown)
        assert reply.status == 401
    assert site.events()[-1]["outcome"] == "refused"
    assert token not in (site.folder / "audit.log").read_text()


def test_a_huge_token_is_refused_unread(site: Guarded) -> None:
    assert site.ask("/v2/", Authorization=bearer("a" * 9000)).status == 400
    form = f"grant_type=password&username=token&password={'a' * 20_000}"
    assert site.send("/token", "POST", None, form.encode()).status == 401


def test_clocks_may_differ_by_a_minute(site: Guarded) -> None:
    now = int(time.time())
    for claims in (account(exp=now - 30), account(nbf=now + 30)):
        assert site.ask("/v2/", Authorization=bearer(CLUSTER.token(claims))).status == 200


def test_a_group_without_the_prefix_of_its_issuer_is_none_of_ours(site: Guarded) -> None:
    shown = bearer(PEOPLE.token(person(groups=["system:serviceaccounts:ci", "admins"])))
    assert site.ask("/v2/team/app/manifests/1", Authorization=shown).status == 403


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "expected a JSON Web Key Set"),
        ('{"keys": []}', "expected an RSA or P-256 key"),
        ('{"keys": [{"kty": "oct", "k": "AAAA"}]}', "expected an RSA or P-256 key"),
        ('{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}', r"keys\[0\] cannot be used"),
        ('{"keys": [{"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB"}]}', r"keys\[0\] cannot be used"),
        ("[" * 10_000, "expected a JSON Web Key Set"),
    ],
)
def test_keys_that_cannot_be_used_are_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_keys(text.encode(), "keys.json")


def test_a_weak_key_is_refused() -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - what is to be refused
    numbers = weak.public_key().public_numbers()
    jwk = {"kty": "RSA", "n": encode_part(numbers.n.to_bytes(128)), "e": "AQAB"}
    with pytest.raises(ConfigError, match="at least 2048 bits, found 1024"):
        read_keys(json.dumps({"keys": [jwk]}).encode(), "keys.json")
