"""What is an image reference, and what only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.oci.reference import Reference
from packhorse.package.image_text import is_image_key, is_images_key, is_reference, looks_qualified, references_in

DIGEST = "sha256:" + "a" * 64

REFERENCES = [
    "quay.io/acme/app:1",
    "registry.example:5000/app:1.2.3-rc.1",
    "localhost:5000/app:1",
    "10.0.0.5:5000/team/app:v1",
    f"ghcr.io/acme/app@{DIGEST}",
    f"ghcr.io/acme/app:1@{DIGEST}",
    "docker.io/library/nginx:1.27-alpine",
    "mirror.gcr.io/library/redis:7",
    "ttl.sh/acme-app:1h",
    "public.ecr.aws/docker/library/busybox:1.36",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1",
    "europe-docker.pkg.dev/project/repo/image:tag",
]

NOT_REFERENCES = [
    "text/html",
    "application/vnd.oci.image.index.v1+json",
    "apps/v1",
    "app.kubernetes.io/name: shop",
    "app.kubernetes.io/managed-by=Helm",
    "https://example.com/path:tag",
    "http://example.com:8080/a/b:c",
    "postgres://user:pass@db.example.com:5432/app",
    "redis:6379",
    "localhost:8080",
    "example.com:443",
    "/usr/local/bin/app:/data",
    "/etc/app/config.yaml",
    "C:/Program Files/app:1",
    "node-role.kubernetes.io/control-plane:NoSchedule",
    "nvidia.com/gpu:PreferNoSchedule",
    "monitoring.coreos.com/v1:ServiceMonitor",
    "values.yaml/nested:key",
    "user@example.com/path:tag",
    "quay.io/acme/app",
    "quay.io/acme/app:{{ .Values.tag }}",
    "quay.io/Acme/App:1",
    "*.example.com/app:1",
    "a:b",
    "12:34:56",
    "db.shop.svc/app:5432",
    "serviceaccount:system:serviceaccounts",
    "system:serviceaccount:ns:name",
    "arn:aws:s3:::bucket/key",
    "sha256:" + "a" * 64,
    "10.0.0.0/8",
    "key.example.com/x:",
    "",
]


@pytest.mark.parametrize("text", REFERENCES)
@pytest.mark.parametrize(
    "around", ["{}", "use {} now", "'{}'", "--image={}", "a,{},b", "[{}]", "x\n{}\ny", "docker://{}"]
)
def test_is_seen_in_any_text(text: str, around: str) -> None:
    assert [found for _, found in references_in(around.format(text))] == [text]


@pytest.mark.parametrize("text", NOT_REFERENCES)
def test_is_not_taken_for_one(text: str) -> None:
    assert list(references_in(text)) == []
    assert list(references_in(f"some {text} text\nkey: {text}")) == []


def test_the_end_of_a_sentence_is_no_part_of_a_tag() -> None:
    assert list(references_in("It runs quay.io/acme/app:1.2. Then it stops.")) == [(1, "quay.io/acme/app:1.2")]


def test_each_is_told_once_with_its_line() -> None:
    text = "a\nquay.io/a/b:1\nquay.io/a/b:1 quay.io/a/c:2\n"
    assert list(references_in(text)) == [(2, "quay.io/a/b:1"), (3, "quay.io/a/c:2")]


@pytest.mark.timeout(20)
def test_many_references_take_no_longer_than_they_must() -> None:
    text = "".join(f"quay.io/acme/app:{number}\n" for number in range(60_000))
    found = list(references_in(text))
    assert len(found) == 60_000
    assert found[-1] == (60_000, "quay.io/acme/app:59999")


def test_a_setting_with_the_name_of_an_image_needs_no_host() -> None:
    text = "proxy.image = envoyproxy/envoy:v1\nimage_tag = v1\nimage.pull-policy: Always\nexport TOOL_IMAGE='a/b:2'\n"
    assert [found for _, found in references_in(text)] == ["envoyproxy/envoy:v1", "a/b:2"]


@pytest.mark.parametrize(
    "key", ["image", "Image", "proxyImage", "SIDECAR_IMAGE", "image-name", "imageURL", "proxy_image"]
)
def test_names_of_images(key: str) -> None:
    assert is_image_key(key)


@pytest.mark.parametrize(
    "key",
    ["imagePullPolicy", "imageTag", "image_size", "images", "imagePullSecrets", "imagery", "", "tag"],
)
def test_names_of_other_things(key: str) -> None:
    assert not is_image_key(key)


def test_names_of_several_images() -> None:
    assert is_images_key("sidecarImages")
    assert not is_images_key("image")


@pytest.mark.parametrize("text", ["nginx", "nginx:1.27", "acme/app", *REFERENCES])
def test_in_a_field_for_images(text: str) -> None:
    assert is_reference(text)


@pytest.mark.parametrize(
    "text",
    ["", "true", "Always", "IfNotPresent", "https://example.com/a.png", "logo.png", "disk.qcow2", "7", "auto", "a b",
     "{{ .Values.image }}", "localhost:8080", "./image", "/image", "none"],
)  # fmt: skip
def test_not_in_a_field_for_images(text: str) -> None:
    assert not is_reference(text)


def test_says_more_than_a_name() -> None:
    assert looks_qualified("nginx:1")
    assert looks_qualified("quay.io/a")
    assert not looks_qualified("nginx")
    assert not looks_qualified("acme/app")


_component = st.from_regex(r"[a-z0-9]+([._-][a-z0-9]+)?", fullmatch=True).filter(lambda text: len(text) < 40)
_host = st.from_regex(r"[a-z]{1,8}\.(io|com|example)(:[1-9][0-9]{1,4})?", fullmatch=True)
_tag = st.from_regex(r"[a-z0-9_]([a-z0-9._-]{0,20}[a-z0-9])?", fullmatch=True)
_repository = st.builds("/".join, st.lists(_component, min_size=1, max_size=4))


@given(_host, _repository, _tag, st.sampled_from(["", f"@{DIGEST}"]))
def test_every_full_reference_is_seen(host: str, repository: str, tag: str, digest: str) -> None:
    text = f"{host}/{repository}:{tag}{digest}"
    assert [found for _, found in references_in(f"before {text} after")] == [text]


@given(st.text(max_size=300))
def test_whatever_is_found_stands_in_the_text_and_is_one(text: str) -> None:
    for line, found in references_in(text):
        assert found in text
        assert 1 <= line <= text.count("\n") + 1
        assert Reference.parse(found).registry
