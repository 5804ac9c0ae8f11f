{{- define "common.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .name }}}
spec:
  template:
    spec:
      initContainers: [{name: wait, image: "registry.example.com/common/wait:2.3.1"}]
      containers: [{name: {{ .name }}, image: "{{ .image }}"}]
{{- end -}}
