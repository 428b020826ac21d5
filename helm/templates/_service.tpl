{{/*
One service: its ConfigMap, Deployment and Service. Takes root, name, admin (the port of /metrics, /livez and /readyz),
http (its public port, if it has one) and tree (its configuration). And what keeps it standing: a PodDisruptionBudget, an autoscaler,
a NetworkPolicy.
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
  {{- if not $values.autoscaling.enabled }}
  replicas: {{ $values.replicas }}
  {{- end }}
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
      # Not all on one node, if there is another.
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "daybook.selectorLabels" $labels | nindent 14 }}
      containers:
        - name: {{ .name }}
          image: {{ include "daybook.image" $root | quote }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          command: [daybook-{{ .name }}, --config, /etc/daybook/config/daybook.toml, --secrets, /etc/daybook/secrets]
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
            # Files named as the loader reads them, DAYBOOK__SECTION__KEY; a secret that is rotated needs no restart.
            - name: secrets
              mountPath: /etc/daybook/secrets
              readOnly: true
            {{- if $values.keysSecret }}
            - name: keys
              mountPath: /etc/daybook/keys
              readOnly: true
            {{- end }}
      volumes: {{- include "daybook.volumes" (dict "root" $root "configMap" $fullname) | nindent 8 }}
        - name: secrets
          secret:
            secretName: {{ $values.existingSecret }}
            defaultMode: 0440
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
{{- if or $values.autoscaling.enabled (gt (int $values.replicas) 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $fullname }}
  labels: {{- include "daybook.labels" $labels | nindent 4 }}
spec:
  # A node that is drained takes one at a time: partitions go to another within seconds, all of them at once would have nobody.
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "daybook.selectorLabels" $labels | nindent 6 }}
{{- end }}
{{- with $values.autoscaling }}
{{- if .enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $fullname }}
  labels: {{- include "daybook.labels" $labels | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ $fullname }}
  minReplicas: {{ .minReplicas }}
  maxReplicas: {{ .maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .cpu }}
  behavior:
    # Each pod that comes or goes moves partitions: not for a minute's quiet.
    scaleDown:
      stabilizationWindowSeconds: 600
      policies:
        - { type: Pods, value: 1, periodSeconds: 300 }
{{- end }}
{{- end }}
{{- with $root.Values.networkPolicy }}
{{- if .enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $fullname }}
  labels: {{- include "daybook.labels" $labels | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "daybook.selectorLabels" $labels | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- with $.http }}
    - ports:
        - { port: {{ . }}, protocol: TCP }
      {{- with $root.Values.networkPolicy.door }}
      from: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    # Metrics and probes tell whoever may ask; the kubelet always may.
    - ports:
        - { port: {{ $.admin }}, protocol: TCP }
      from:
        {{- if .metrics }}
        {{- toYaml .metrics | nindent 8 }}
        {{- else }}
        - podSelector: {}
        {{- end }}
  egress:
    - ports:
        - { port: 53, protocol: UDP }
        - { port: 53, protocol: TCP }
    - ports:
        {{- include "daybook.serverPorts" $root | nindent 8 }}
      {{- with .servers }}
      to: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- if has $.name (list "ingest" "propagator") }}
    # The vendors' APIs and the targets.
    - ports:
        {{- range .vendorPorts }}
        - { port: {{ . }}, protocol: TCP }
        {{- end }}
    {{- end }}
{{- end }}
{{- end }}
{{- end -}}
