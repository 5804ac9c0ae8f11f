"""Charts and kustomizations, rendered and installed by the programs that define them: Helm and kustomize.

It knows archives, values and rendered text, and neither packages nor images. What others call is in
:mod:`packhorse.helm.ports`; :mod:`packhorse.helm.cli_helm` and :mod:`packhorse.helm.sdk_helm` implement it.
"""
