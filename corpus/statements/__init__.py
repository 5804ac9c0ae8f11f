"""What can be said about an image, as scanners, builders and signers say it: one module per kind.

Everything is made from the image itself and from fixed test data, so that it verifies, and is the same each time.
"""

from corpus.statements.envelopes import Dsse, InToto
from corpus.statements.provenance import Provenance
from corpus.statements.sbom import Sbom
from corpus.statements.signature import Signature
from corpus.statements.vex import Vex

__all__ = ["Dsse", "InToto", "Provenance", "Sbom", "Signature", "Vex"]
