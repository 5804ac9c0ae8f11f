"""The files of the package that ``init`` writes, with PACKAGE_NAME where its name goes."""

__all__ = ["STARTER_FILES"]

_DEFINITION = """\
# yaml-language-server: $schema=./packhorse.schema.json
apiVersion: packhorse.dev/v1alpha1
kind: Package
metadata:
  name: PACKAGE_NAME
  version: 0.1.0
  description: A web server with a page of its own
platforms: [linux/amd64]

# What the site decides when it deploys. In values files and manifests, ${var.NAME} stands for the value.
variables:
  - name: greeting
    description: What the page says.
    default: Hello from PACKAGE_NAME
  - name: replicas
    type: integer
    default: 1

# Each part can have images, charts, manifests, kustomizations, files, git and artifacts.
# Images are found in what charts and manifests make; list only those that cannot be seen there.
components:
  - name: PACKAGE_NAME
    charts:
      - name: PACKAGE_NAME
        source: charts/PACKAGE_NAME
        namespace: PACKAGE_NAME
        values: [values/site.yaml]
"""

_SITE_VALUES = """\
# Values for charts/PACKAGE_NAME, on top of those in the chart.
greeting: ${var.greeting}
replicas: ${var.replicas}
"""

_CHART = """\
apiVersion: v2
name: PACKAGE_NAME
version: 0.1.0
appVersion: "1.27"
description: A web server with a page of its own
type: application
"""

_CHART_VALUES = """\
greeting: Hello
replicas: 1
image:
  repository: docker.io/nginxinc/nginx-unprivileged
  tag: 1.27-alpine
"""

_CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-page
  labels:
    app.kubernetes.io/name: {{ .Release.Name }}
data:
  index.html: |
    <!doctype html>
    <title>{{ .Release.Name }}</title>
    <h1>{{ .Values.greeting | replace "&" "&amp;" | replace "<" "&lt;" }}</h1>
"""

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels:
    app.kubernetes.io/name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels:
      app.kubernetes.io/name: {{ .Release.Name }}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {{ .Release.Name }}
      annotations:
        # Another page is another pod, or nobody would see it.
        checksum/page: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum | quote }}
    spec:
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: web
          image: {{ .Values.image.repository }}:{{ .Values.image.tag }}
          ports:
            - name: http
              containerPort: 8080
          readinessProbe:
            httpGet:
              path: /
              port: http
          resources:
            requests:
              cpu: 10m
              memory: 16Mi
            limits:
              memory: 64Mi
          securityContext:
            allowPrivilegeEscalation: false
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: page
              mountPath: /usr/share/nginx/html
      volumes:
        - name: page
          configMap:
            name: {{ .Release.Name }}-page
"""

_SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
  labels:
    app.kubernetes.io/name: {{ .Release.Name }}
spec:
  selector:
    app.kubernetes.io/name: {{ .Release.Name }}
  ports:
    - name: http
      port: 80
      targetPort: http
"""

STARTER_FILES = {
    "packhorse.yaml": _DEFINITION,
    "values/site.yaml": _SITE_VALUES,
    "charts/PACKAGE_NAME/Chart.yaml": _CHART,
    "charts/PACKAGE_NAME/values.yaml": _CHART_VALUES,
    "charts/PACKAGE_NAME/templates/configmap.yaml": _CONFIG_MAP,
    "charts/PACKAGE_NAME/templates/deployment.yaml": _DEPLOYMENT,
    "charts/PACKAGE_NAME/templates/service.yaml": _SERVICE,
}
"""Text by path in the package's folder."""
