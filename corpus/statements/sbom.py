"""Lists of what is in an image, in SPDX 2.3."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from corpus.layout import as_json
from corpus.manifests import CREATED
from corpus.model import Subject
from corpus.statements.packages import InstalledPackage, installed

__all__ = ["Sbom"]


@dataclass(frozen=True, slots=True)
class Sbom:
    """The image's Debian packages."""

    artifact_type: str = "application/spdx+json"
    media_type: str = "application/spdx+json"
    predicate_type: str = "https://spdx.dev/Document"
    suffix: str = "sbom"

    def identity(self) -> Mapping[str, object]:
        """Its format."""
        return {"sbom": "spdx-2.3"}

    def content(self, subject: Subject) -> bytes:
        """The document; it says that it was made when the image was."""
        packages = [_package(package) for package in installed(subject)]
        return as_json(
            {
                "spdxVersion": "SPDX-2.3",
                "dataLicense": "CC0-1.0",
                "SPDXID": "SPDXRef-DOCUMENT",
                "name": subject.reference,
                "documentNamespace": f"https://corpus.example.com/{subject.descriptor['digest']}",
                "creationInfo": {"created": CREATED, "creators": ["Tool: packhorse-corpus"]},
                "packages": packages,
                "relationships": [
                    {
                        "spdxElementId": "SPDXRef-DOCUMENT",
                        "relationshipType": "DESCRIBES",
                        "relatedSpdxElement": package["SPDXID"],
                    }
                    for package in packages
                ],
            }
        )

    def annotations(self, content: bytes) -> Mapping[str, str]:
        """None."""
        del content
        return {}


def _package(package: InstalledPackage) -> dict[str, object]:
    version = quote(package.version, safe="")
    locator = f"pkg:deb/debian/{quote(package.name, safe='')}@{version}?arch={package.architecture}"
    return {
        "SPDXID": f"SPDXRef-{re.sub('[^A-Za-z0-9.-]', '-', package.name)}",
        "name": package.name,
        "versionInfo": package.version,
        "supplier": f"Organization: {package.maintainer}",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": locator,
            }
        ],
    }
