{{/* The release's name, with the chart's unless it says that already. Leaves room for the longest component. */}}
{{- define "daybook.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What a selector may use: it can never change. Takes root and component. */}}
{{- define "daybook.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "daybook.labels" -}}
{{ include "daybook.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "daybook.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* postgres://role@host:port/database?parameters, without the password. Takes root and role. */}}
{{- define "daybook.postgresUrl" -}}
{{- $postgres := .root.Values.postgres -}}
postgres://{{ .role }}@{{ $postgres.host }}:{{ int64 $postgres.port }}/{{ $postgres.database }}
{{- with $postgres.parameters }}?{{ . }}{{ end -}}
{{- end -}}

{{/*
A tree as TOML. Helm's own toToml writes every whole number of the values as a float, which the loader refuses.
Takes path and tree. Keys without a value, and tables without a key, are left out: the built-in default stands.
*/}}
{{- define "daybook.toml" -}}
{{- $path := .path -}}
{{- range $key, $value := .tree }}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ include "daybook.tomlKey" $key }} = {{ include "daybook.tomlValue" $value }}
{{- end }}
{{- end }}
{{- range $key, $value := .tree }}
{{- if and (kindIs "map" $value) $value }}
{{- $name := include "daybook.tomlKey" $key }}
{{- $inner := empty $path | ternary $name (printf "%s.%s" $path $name) }}

[{{ $inner }}]
{{- include "daybook.toml" (dict "path" $inner "tree" $value) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "daybook.tomlKey" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toRawJson . }}{{ end -}}
{{- end -}}

{{- define "daybook.tomlValue" -}}
{{- if kindIs "string" . }}{{ toRawJson . }}
{{- else if kindIs "bool" . }}{{ . }}
{{- else if kindIs "slice" . }}[{{ range $at, $item := . }}{{ if $at }}, {{ end }}{{ include "daybook.tomlValue" $item }}{{ end }}]
{{- else if kindIs "map" . }}{ {{ $first := true }}{{ range $key, $value := . }}{{ if not $first }}, {{ end }}{{ $first = false }}{{ include "daybook.tomlKey" $key }} = {{ include "daybook.tomlValue" $value }}{{ end }} }
{{- else }}{{ int64 . }}
{{- end -}}
{{- end -}}

{{/* Which kind each source is, and its description where it has one: all that others than ingest need to know of it. */}}
{{- define "daybook.sourceKinds" -}}
{{- range $name, $source := .Values.sources }}
{{- with $source }}
{{ $name | quote }}: { kind: {{ .kind | quote }}{{ with .description }}, description: {{ toRawJson . }}{{ end }} }
{{- end }}
{{- end }}
{{- end -}}

{{/* What every pod of ours looks like from outside. */}}
{{- define "daybook.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "daybook.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The configuration file, and the certificates where there are any. Takes root and configMap. */}}
{{- define "daybook.volumes" -}}
- name: config
  configMap:
    name: {{ .configMap }}
{{- with .root.Values.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{- define "daybook.volumeMounts" -}}
- name: config
  mountPath: /etc/daybook/config
  readOnly: true
{{- if .Values.tls.existingSecret }}
- name: tls
  mountPath: /etc/daybook/tls
  readOnly: true
{{- end }}
{{- end -}}

{{/* Where Kafka, the registry and PostgreSQL listen, each port once. */}}
{{- define "daybook.serverPorts" -}}
{{- $ports := list (toString (int64 .Values.postgres.port)) -}}
{{- range $broker := splitList "," .Values.kafka.brokers -}}
{{- $ports = append $ports (trim $broker | splitList ":" | last) -}}
{{- end -}}
{{- $registry := urlParse .Values.registry.url -}}
{{- $scheme := eq $registry.scheme "https" | ternary "443" "80" -}}
{{- $ports = append $ports (contains ":" $registry.host | ternary (splitList ":" $registry.host | last) $scheme) -}}
{{- range $port := $ports | uniq | sortAlpha }}
- { port: {{ $port }}, protocol: TCP }
{{- end }}
{{- end -}}
