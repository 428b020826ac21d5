{{/*
One service: its ConfigMap, Deployment and Service. Takes root, name, admin (the port of /metrics, /livez and /readyz),
http (its public port, if it has one) and tree (its configuration).
*/}}
{{- define "daybook.service" -}}
{{- $root := .root -}}
{{- $values := index $root.Values .name -}}
{{- $fullname := printf "%s-%s" (include "daybook.fullname" $root) .name -}}
{{- $labels := dict "root" $root "component" .name -}}
{{- $config := include "daybook.toml" (dict "path" "" "tree" .tree) | trim -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $fullname }}
  labels: {{- include "daybook.labels" $labels | nindent 4 }}
data:
  daybook.toml: |
    {{- $config | nindent 4 }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $fullname }}
  labels: {{- include "daybook.labels" $labels | nindent 4 }}
spec:
  replicas: {{ $values.replicas }}
  selector:
    matchLabels: {{- include "daybook.selectorLabels" $labels | nindent 6 }}
  template:
    metadata:
      labels: {{- include "daybook.labels" $labels | nindent 8 }}
      annotations:
        # A service reads its file once: another file is another pod.
        checksum/config: {{ sha256sum $config }}
        {{- with $root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      # A service drains for up to 25 s.
      terminationGracePeriodSeconds: 40
      securityContext: {{- include "daybook.podSecurity" . | nindent 8 }}
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .name }}
          image: {{ include "daybook.image" $root | quote }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          command: [daybook-{{ .name }}, --config, /etc/daybook/config/daybook.toml]
          envFrom:
            # Variables named as the loader reads them, DAYBOOK__SECTION__KEY.
            - secretRef:
                name: {{ $values.existingSecret }}
          ports:
            {{- with .http }}
            - name: http
              containerPort: {{ . }}
            {{- end }}
            - name: admin
              containerPort: {{ .admin }}
          livenessProbe:
            httpGet: { path: /livez, port: admin }
            periodSeconds: 10
            timeoutSeconds: 3
            failureThreshold: 6
          readinessProbe:
            httpGet: { path: /readyz, port: admin }
            periodSeconds: 5
            timeoutSeconds: 3
            failureThreshold: 2
          securityContext: {{- include "daybook.containerSecurity" . | nindent 12 }}
          {{- with $values.resources }}
          resources: {{- toYaml . | nindent 12 }}
          {{- end }}
          volumeMounts: {{- include "daybook.volumeMounts" $root | nindent 12 }}
            {{- if $values.keysSecret }}
            - name: keys
              mountPath: /etc/daybook/keys
              readOnly: true
            {{- end }}
      volumes: {{- include "daybook.volumes" (dict "root" $root "configMap" $fullname) | nindent 8 }}
        {{- with $values.keysSecret }}
        - name: keys
          secret:
            secretName: {{ . }}
            defaultMode: 0440
        {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $fullname }}
  labels: {{- include "daybook.labels" $labels | nindent 4 }}
spec:
  selector: {{- include "daybook.selectorLabels" $labels | nindent 4 }}
  ports:
    {{- with .http }}
    - name: http
      port: {{ . }}
      targetPort: http
    {{- end }}
    - name: admin
      port: {{ .admin }}
      targetPort: admin
{{- end -}}
