{{- define "common.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .name }}}
spec:
  template:
    spec:
      initContainers: [{name: wait, image: "registry.example.com/common/wait:1.4.0"}]
      containers: [{name: {{ .name }}, image: "{{ .values.image }}:{{ .values.tag }}"}]
{{- end -}}
