"""Makes recipes into layouts: the cache has ``<recipe key>/``, a layout with what one recipe names.

A key is the hash of all that decides about the bytes, so that what is there is never made again.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from corpus import compression, manifests
from corpus.errors import CorpusError
from corpus.layers import LayerJob, Layers, PackedLayer, jobs_of
from corpus.layout import NAME_ANNOTATION, Descriptor, Layout
from corpus.manifests import CREATED, EMPTY, EMPTY_CONTENT, MEDIA_TYPES
from corpus.model import Artifact, Attachment, Image, Index, Recipe, Statement, Subject
from corpus.statements import InToto
from corpus.workshop import Workshop, key_of

__all__ = ["Maker", "title"]

_OCI = MEDIA_TYPES["oci"]
_TITLE = "org.opencontainers.image.title"


class Maker:
    """Makes recipes into the cache of a workshop."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._layers = Layers(workshop)

    def make(self, recipe: Recipe) -> Layout:
        """Make one recipe and give the layout that has it, from the cache when it is there."""
        final = self._workshop.cache / self._key(recipe)
        if not final.exists():
            self._workshop.tell(f"Making {title(recipe)}")
            with self._workshop.making(final) as draft:
                layout = Layout.create(draft)
                name, top = self._write(recipe, layout)
                layout.write_index([{**top, "annotations": {NAME_ANNOTATION: name}}])
        return Layout(final)

    def all(self, recipes: Sequence[Recipe]) -> list[Layout]:
        """Make recipes, their layers side by side: packing is what takes the time."""
        jobs = {self._layers.key(job): job for recipe in recipes for job in _layer_jobs(recipe)}
        with ThreadPoolExecutor(os.cpu_count(), "corpus") as pool:
            try:
                for packed in [pool.submit(self._layers.pack, job) for job in jobs.values()]:
                    packed.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return [self.make(recipe) for recipe in recipes]

    def all_in_one(self, recipes: Sequence[Recipe], out: Path) -> Layout:
        """Make every recipe into one layout at ``out``, where a blob that several have stands once.

        What is there already from an earlier set, and is not in this one, goes. The blobs are copies: whoever spoils
        them does not spoil the cache.
        """
        layout = Layout.create(out)
        layout.become(self.all(recipes))
        return layout

    def _write(self, recipe: Recipe, layout: Layout) -> tuple[str, Descriptor]:
        """Write what ``recipe`` makes into ``layout``, and give its name and its uppermost descriptor."""
        match recipe:
            case Image():
                return recipe.reference, self._write_image(recipe, layout)
            case Index():
                return recipe.reference, self._write_index(recipe, layout)
            case Artifact():
                return recipe.reference, _write_artifact(recipe, layout)
            case Attachment():
                return self._write_attachment(recipe, layout)

    def _write_image(self, image: Image, layout: Layout) -> Descriptor:
        listed = [
            {**self._write_manifest(image, platform, layout), "platform": manifests.platform_of(platform)}
            for platform in image.platforms
        ]
        if len(listed) == 1 and not image.attestations:
            return {name: value for name, value in listed[0].items() if name != "platform"}
        if image.attestations:
            listed += [
                manifests.attested(_write_attestation(image, descriptor, layout), descriptor) for descriptor in listed
            ]
        media_type = MEDIA_TYPES[image.format].index
        return layout.add_json(media_type, manifests.index(media_type, listed))

    def _write_manifest(self, image: Image, platform: str, layout: Layout) -> Descriptor:
        types = MEDIA_TYPES[image.format]
        jobs = jobs_of(image, platform)
        packed = [self._layers.pack(job) for job in jobs]
        for job, layer in zip(jobs, packed, strict=True):
            if not job.urls:
                layout.link_blob(layer.digest, layer.path)
        config = manifests.image_config(
            manifests.platform_of(platform),
            image.config.as_json(),
            [layer.diff_id for layer in packed],
            [f"corpus: {type(job.source).__name__.lower()}" for job in jobs],
        )
        layers = [_layer_descriptor(image, job, layer) for job, layer in zip(jobs, packed, strict=True)]
        value = manifests.manifest(types.manifest, layout.add_json(types.config, config), layers)
        return layout.add_json(types.manifest, value)

    def _write_index(self, index: Index, layout: Layout) -> Descriptor:
        listed = []
        for member in index.members:
            made = self.make(member)
            layout.link_all(made)
            descriptor = made.only()
            if isinstance(member, Image) and len(member.platforms) == 1 and not member.attestations:
                descriptor = {**descriptor, "platform": manifests.platform_of(member.platforms[0])}
            listed.append(descriptor)
        media_type = MEDIA_TYPES[index.format].index
        return layout.add_json(media_type, manifests.index(media_type, listed))

    def _write_attachment(self, attachment: Attachment, layout: Layout) -> tuple[str, Descriptor]:
        made = self.make(attachment.to)
        subject = Subject(attachment.reference, made.only(), made)
        repository = attachment.reference.rpartition(":")[0]
        layer = _write_statement(attachment.statement, subject, layout)
        if attachment.form == "tag":
            # Cosign's older form is an image whose only layer is the statement.
            config = manifests.image_config(
                {"architecture": "", "os": ""}, {}, [str(layer["digest"])], ["corpus: cosign"]
            )
            value = manifests.manifest(_OCI.manifest, layout.add_json(_OCI.config, config), [layer])
            tag = str(subject.descriptor["digest"]).replace(":", "-")
            return f"{repository}:{tag}.{attachment.statement.suffix}", layout.add_json(_OCI.manifest, value)
        layout.add_blob(EMPTY_CONTENT)
        value = manifests.manifest(
            _OCI.manifest,
            EMPTY,
            [layer],
            artifact_type=attachment.statement.artifact_type,
            subject=subject.descriptor,
        )
        descriptor = layout.add_json(_OCI.manifest, value)
        return f"{repository}@{descriptor['digest']}", descriptor

    def _key(self, recipe: Recipe) -> str:
        match recipe:
            case Image():
                return self._image_key(recipe)
            case Index():
                members = [self._key(member) for member in recipe.members]
                return key_of({"index": recipe.reference, "format": recipe.format, "members": members})
            case Artifact():
                return key_of(
                    {
                        "artifact": recipe.reference,
                        "type": [recipe.artifact_type, recipe.media_type],
                        "texts": dict(recipe.texts),
                    }
                )
            case Attachment():
                return key_of(
                    {
                        "to": self._key(recipe.to),
                        "statement": recipe.statement.identity(),
                        "form": recipe.form,
                    }
                )

    def _image_key(self, image: Image) -> str:
        layers = {
            platform: [[self._layers.key(job), *job.urls] for job in jobs_of(image, platform)]
            for platform in image.platforms
        }
        return key_of(
            {
                "reference": image.reference,
                "format": image.format,
                "config": image.config.as_json(),
                "layers": layers,
                "attestations": [statement.identity() for statement in image.attestations],
            }
        )


def title(recipe: Recipe) -> str:
    """Say what a recipe makes, for people."""
    if isinstance(recipe, Attachment):
        return f"{type(recipe.statement).__name__.lower()} of {title(recipe.to)}"
    return recipe.reference


def _layer_jobs(recipe: Recipe) -> Iterator[LayerJob]:
    match recipe:
        case Image():
            for platform in recipe.platforms:
                yield from jobs_of(recipe, platform)
        case Index():
            for member in recipe.members:
                yield from _layer_jobs(member)
        case Attachment():
            yield from _layer_jobs(recipe.to)
        case Artifact():
            return


def _layer_descriptor(image: Image, job: LayerJob, layer: PackedLayer) -> Descriptor:
    way = compression.by_name(job.compression)
    suffix = way.oci_suffix if image.format == "oci" else way.docker_suffix
    if suffix is None:
        raise CorpusError(
            f"Expected a compression that Docker's schema 2 knows, found {way.name} in {image.reference}."
        )
    types = MEDIA_TYPES[image.format]
    media_type = f"{types.foreign_layer if job.urls else types.layer}{suffix}"
    urls = {"urls": list(job.urls)} if job.urls else {}
    return {"mediaType": media_type, "digest": layer.digest, "size": layer.size, **urls}


def _write_artifact(artifact: Artifact, layout: Layout) -> Descriptor:
    layout.add_blob(EMPTY_CONTENT)
    layers = [
        {
            **layout.add_blob(text.encode(), artifact.media_type),
            "annotations": {_TITLE: title},
        }
        for title, text in sorted(artifact.texts.items())
    ]
    value = manifests.manifest(_OCI.manifest, EMPTY, layers or [EMPTY], artifact_type=artifact.artifact_type)
    return layout.add_json(_OCI.manifest, value)


def _write_statement(statement: Statement, subject: Subject, layout: Layout) -> Descriptor:
    content = statement.content(subject)
    layer = layout.add_blob(content, statement.media_type)
    annotations = statement.annotations(content)
    return {**layer, "annotations": dict(annotations)} if annotations else layer


def _write_attestation(image: Image, descriptor: Descriptor, layout: Layout) -> Descriptor:
    """Write what BuildKit does: an image of no platform, with an in-toto statement as each of its layers."""
    subject = Subject(image.reference, descriptor, layout)
    layers = [_write_statement(InToto(statement), subject, layout) for statement in image.attestations]
    unknown = {"architecture": "unknown", "os": "unknown"}
    digests = [str(layer["digest"]) for layer in layers]
    config = {"created": CREATED, **unknown, "config": {}, "rootfs": {"type": "layers", "diff_ids": digests}}
    value = manifests.manifest(_OCI.manifest, layout.add_json(_OCI.config, config), layers)
    return layout.add_json(_OCI.manifest, value)
