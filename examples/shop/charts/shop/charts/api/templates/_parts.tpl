{{- define "api.environment" -}}
- name: DATABASE_HOST
  value: {{ .Values.database.host | quote }}
- name: DATABASE_NAME
  valueFrom: {secretKeyRef: {name: {{ .Values.database.secret }}, key: database}}
- name: DATABASE_USER
  valueFrom: {secretKeyRef: {name: {{ .Values.database.secret }}, key: username}}
- name: DATABASE_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .Values.database.secret }}, key: password}}
- name: CACHE_HOST
  value: {{ .Values.cache.host | quote }}
{{- end -}}
