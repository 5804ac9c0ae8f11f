{{- define "shop.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- $name := printf "%s/%s" .Values.image.registry .Values.image.repository -}}
{{- if .Values.image.digest }}{{ printf "%s@%s" $name .Values.image.digest }}{{ else }}{{ printf "%s:%s" $name $tag }}{{ end -}}
{{- end -}}
