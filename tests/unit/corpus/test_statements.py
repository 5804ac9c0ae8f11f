import base64
import json
from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from corpus.errors import CorpusError
from corpus.layout import Layout, listed
from corpus.maker import Maker
from corpus.model import Attachment, Form, Image, Statement
from corpus.sources import Texts
from corpus.statements import Dsse, InToto, Provenance, Sbom, Signature, Vex
from corpus.statements.keys import PUBLIC_KEY
from corpus.workshop import Workshop

RECORD = "Package: zlib1g\nVersion: 1:1.2.13\nArchitecture: amd64\nMaintainer: M <m@example.com>\nDescription: d\n"
VEX = Vex("CVE-2023-45853", "vulnerable_code_not_present")
LAYERS = (Texts({"/etc/os-release": "ID=none\n"}), Texts({"/var/lib/dpkg/status.d/zlib1g": RECORD}))


def image(**changes: object) -> Image:
    values: dict[str, object] = {"reference": "registry.example.com/a/one:1", "layers": LAYERS, **changes}
    return Image(**values)  # type: ignore[arg-type]  # a test's shorthand


def verify(signature: bytes, signed: bytes) -> None:
    key = load_pem_public_key(PUBLIC_KEY.read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signature, signed, ec.ECDSA(SHA256()))


class Attached:
    """An attachment as it stands in its layout."""

    def __init__(self, workshop: Workshop, statement: Statement, form: Form = "referrer") -> None:
        to = image()
        self.subject = Maker(workshop).make(to).only()
        self.layout: Layout = Maker(workshop).make(Attachment(to=to, statement=statement, form=form))
        ((self.name, descriptor),) = self.layout.named()
        self.digest = str(descriptor["digest"])
        self.manifest = self.layout.read_json(self.digest)
        (self.layer,) = listed(self.manifest, "layers")
        self.content = self.layout.blob(str(self.layer["digest"])).read_bytes()


@pytest.mark.parametrize("form", ["referrer", "tag"])
def test_a_signature_verifies_and_names_what_it_signs(workshop: Workshop, form: Form) -> None:
    made = Attached(workshop, Signature(), form)
    annotations: dict[str, str] = made.layer["annotations"]  # type: ignore[assignment]
    verify(base64.b64decode(annotations["dev.cosignproject.cosign/signature"]), made.content)
    critical = json.loads(made.content)["critical"]
    assert critical["image"] == {"docker-manifest-digest": made.subject["digest"]}
    assert critical["identity"] == {"docker-reference": "registry.example.com/a/one"}
    with pytest.raises(InvalidSignature):
        verify(base64.b64decode(annotations["dev.cosignproject.cosign/signature"]), made.content + b" ")


def test_a_referrer_names_its_subject_its_type_and_itself_by_digest(workshop: Workshop) -> None:
    made = Attached(workshop, VEX)
    assert made.name == f"registry.example.com/a/one@{made.digest}"
    assert made.manifest["subject"] == made.subject
    assert made.manifest["artifactType"] == made.layer["mediaType"] == "application/vnd.openvex+json"
    assert made.manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"  # type: ignore[index]
    assert made.layout.blob(made.manifest["config"]["digest"]).read_bytes() == b"{}"  # type: ignore[index]


@pytest.mark.parametrize(
    ("statement", "suffix"), [(Signature(), "sig"), (Sbom(), "sbom"), (Dsse(InToto(VEX)), "att")], ids=["s", "b", "a"]
)
def test_the_older_form_has_the_subjects_digest_as_its_tag(
    workshop: Workshop, statement: Statement, suffix: str
) -> None:
    made = Attached(workshop, statement, "tag")
    assert made.name == f"registry.example.com/a/one:{str(made.subject['digest']).replace(':', '-')}.{suffix}"
    assert "subject" not in made.manifest
    config = made.layout.read_json(made.manifest["config"]["digest"])  # type: ignore[index]
    assert config["rootfs"]["diff_ids"] == [made.layer["digest"]]  # type: ignore[index]


def test_a_bill_of_materials_lists_the_packages_that_the_image_records(workshop: Workshop) -> None:
    document = json.loads(Attached(workshop, Sbom()).content)
    (package,) = document["packages"]
    assert (package["name"], package["versionInfo"]) == ("zlib1g", "1:1.2.13")
    (reference,) = package["externalRefs"]
    assert reference["referenceLocator"] == "pkg:deb/debian/zlib1g@1%3A1.2.13?arch=amd64"
    assert document["relationships"][0]["relatedSpdxElement"] == package["SPDXID"]


def test_a_layer_that_cannot_be_read_is_told(workshop: Workshop) -> None:
    made = Maker(workshop).make(image())
    (layer, _) = listed(made.read_json(str(made.only()["digest"])), "layers")
    path = made.blob(str(layer["digest"]))
    path.unlink()
    path.write_bytes(b"\x28\xb5\x2f\xfd what zstd begins with")
    with pytest.raises(CorpusError, match="plain or gzip"):
        Maker(workshop).make(Attachment(to=image(), statement=Sbom()))


def test_a_vex_statement_is_about_the_image_by_digest(workshop: Workshop) -> None:
    made = Attached(workshop, VEX)
    (said,) = json.loads(made.content)["statements"]
    assert said["vulnerability"] == {"name": "CVE-2023-45853"}
    assert said["products"][0]["@id"].startswith(f"pkg:oci/one@{str(made.subject['digest']).replace(':', '%3A')}?")


def test_an_envelope_is_signed_over_its_type_and_payload(workshop: Workshop) -> None:
    made = Attached(workshop, Dsse(InToto(VEX)), "tag")
    envelope = json.loads(made.content)
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed)
    statement = json.loads(payload)
    assert statement["predicateType"] == statement["predicate"]["@context"] == "https://openvex.dev/ns/v0.2.0"
    algorithm, _, encoded = str(made.subject["digest"]).partition(":")
    assert statement["subject"][0]["digest"] == {algorithm: encoded}


def test_attestations_stand_beside_their_image_in_its_index(workshop: Workshop) -> None:
    layout = Maker(workshop).make(image(platforms=("linux/amd64", "linux/arm64"), attestations=(Sbom(), Provenance())))
    amd64, arm64, *attestations = listed(layout.read_json(str(layout.only()["digest"])), "manifests")
    assert len(attestations) == 2
    for about, attestation in zip((amd64, arm64), attestations, strict=True):
        assert attestation["platform"] == {"architecture": "unknown", "os": "unknown"}
        assert attestation["annotations"] == {
            "vnd.docker.reference.digest": about["digest"],
            "vnd.docker.reference.type": "attestation-manifest",
        }
        layers = listed(layout.read_json(str(attestation["digest"])), "layers")
        assert [layer["mediaType"] for layer in layers] == ["application/vnd.in-toto+json"] * 2
        kinds = [layer["annotations"]["in-toto.io/predicate-type"] for layer in layers]  # type: ignore[index]
        assert kinds == ["https://spdx.dev/Document", "https://slsa.dev/provenance/v1"]
        for layer in layers:
            said = json.loads(layout.blob(str(layer["digest"])).read_bytes())
            assert said["subject"][0]["digest"]["sha256"] == str(about["digest"]).removeprefix("sha256:")


def test_one_platform_with_attestations_is_an_index_too(workshop: Workshop) -> None:
    layout = Maker(workshop).make(image(attestations=(Provenance(),)))
    listed_ones = listed(layout.read_json(str(layout.only()["digest"])), "manifests")
    assert [entry["platform"]["os"] for entry in listed_ones] == ["linux", "unknown"]  # type: ignore[index]


def test_a_signature_can_be_about_a_referrer(workshop: Workshop) -> None:
    sbom = Attachment(to=image(), statement=Sbom())
    layout = Maker(workshop).make(Attachment(to=sbom, statement=Signature()))
    manifest = layout.read_json(str(layout.only()["digest"]))
    assert manifest["subject"] == Maker(workshop).make(sbom).only()


def test_every_blob_of_an_attachment_is_what_its_name_says(workshop: Workshop) -> None:
    made = Attached(workshop, Sbom())
    assert {path.name: sha256(path.read_bytes()).hexdigest() for path in made.layout.blobs()} == {
        path.name: path.name for path in made.layout.blobs()
    }
