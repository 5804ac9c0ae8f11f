{{- define "image" -}}
{{ .global.imageRegistry | default .image.registry }}/{{ .image.repository }}:{{ .image.tag }}
{{- end -}}
