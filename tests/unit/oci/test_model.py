"""Decoding manifests strictly, and encoding ours one way."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.base.errors import IntegrityError, PackhorseError
from packhorse.oci import manifest, media_types
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor, Index, Manifest, Platform, canonical_json, decode_json

DIGEST = Digest("sha256:" + "0" * 64)
LAYER = Descriptor(media_type="application/vnd.oci.image.layer.v1.tar", digest=DIGEST, size=5)


def text_of(**changes: object) -> bytes:
    """A manifest as JSON, with some keys changed."""
    config = {"mediaType": "a/b", "digest": str(DIGEST), "size": 5}
    return json.dumps({"schemaVersion": 2, "config": config, "layers": [config], **changes}).encode()


@pytest.mark.parametrize(
    ("text", "platform"),
    [("linux/amd64", Platform("amd64", "linux")), ("linux/arm/v7", Platform("arm", "linux", "v7"))],
)
def test_platforms_are_read_and_written(text: str, platform: Platform) -> None:
    assert Platform.parse(text) == platform
    assert str(platform) == text


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "a/b/c/d"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(PackhorseError, match="expected a platform"):
        Platform.parse(text)


def test_a_manifest_leads_to_its_config_and_layers() -> None:
    node = manifest.parse(text_of(), media_types.OCI_MANIFEST, "it")
    assert isinstance(node, Manifest)
    assert manifest.successors(node) == (node.config, *node.layers)


def test_an_index_leads_to_its_manifests_and_keeps_platforms() -> None:
    platform = {"architecture": "amd64", "os": "windows", "os.version": "10.0", "os.features": ["x"]}
    child = {"mediaType": media_types.OCI_MANIFEST, "digest": str(DIGEST), "size": 5, "platform": platform}
    text = json.dumps({"schemaVersion": 2, "manifests": [child], "unknown": {"is": "let through"}}).encode()
    node = manifest.parse(text, media_types.DOCKER_LIST, "it")
    assert isinstance(node, Index)
    assert manifest.successors(node)[0].platform == Platform("amd64", "windows", None, "10.0", ("x",))


@pytest.mark.parametrize(
    ("text", "media_type", "said"),
    [
        (text_of(), "application/vnd.docker.distribution.manifest.v1+json", "schema 1"),
        (text_of(), "application/json", "neither a manifest nor an index"),
        (text_of(mediaType=media_types.OCI_INDEX), media_types.OCI_MANIFEST, "says of itself"),
        (text_of(schemaVersion=3), media_types.OCI_MANIFEST, "schemaVersion 3"),
        (text_of(schemaVersion="2"), media_types.OCI_MANIFEST, "schemaVersion"),
        (text_of(layers=[{"mediaType": "a/b", "digest": str(DIGEST), "size": -1}]), media_types.OCI_MANIFEST, "-1"),
        (text_of(layers=None), media_types.OCI_MANIFEST, "layers"),
        (text_of()[:-1] + b',"config":{}}', media_types.OCI_MANIFEST, "twice"),
        (b'{"config":{}}', media_types.OCI_MANIFEST, "is not what it must be"),
    ],
)
def test_what_makes_no_sense_is_refused(text: bytes, media_type: str, said: str) -> None:
    with pytest.raises(IntegrityError, match=said):
        manifest.parse(text, media_type, "it")


@pytest.mark.parametrize("size", [-1, manifest.MAX_MANIFEST_BYTES + 1, 1 << 60])
def test_a_manifest_that_claims_too_much_is_refused_before_it_is_read(size: int) -> None:
    with pytest.raises(IntegrityError, match="claims"):
        manifest.check_manifest_size(Descriptor(media_type=media_types.OCI_MANIFEST, digest=DIGEST, size=size))


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4), st.integers(0, 2**50))
def test_canonical_json_is_the_same_whatever_the_order(annotations: dict[str, str], size: int) -> None:
    reverse = dict(reversed(annotations.items()))
    one, other = (
        Index(
            schema_version=2,
            manifests=(Descriptor(media_type="a/b", digest=DIGEST, size=size, annotations=order),),
        )
        for order in (annotations, reverse)
    )
    assert canonical_json(one) == canonical_json(other)
    assert decode_json(canonical_json(one), Index, "it") == one
    assert b'"schemaVersion":2' in canonical_json(one)


def test_a_type_without_a_rule_is_a_defect() -> None:
    with pytest.raises(NotImplementedError, match="no rule to write"):
        canonical_json(object())
    with pytest.raises(NotImplementedError, match="no rule to read"):
        decode_json(b'"x"', complex, "it")


def test_foreign_layers_are_known_by_their_type() -> None:
    assert media_types.is_foreign_layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
    assert media_types.is_foreign_layer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")
    assert not media_types.is_foreign_layer("application/vnd.oci.image.layer.v1.tar+gzip")
