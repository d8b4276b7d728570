{{- define "madang.name" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- /* The parts, their ports, and whom each one calls: nothing else may (ARCHITECTURE.md, invariant 4). */ -}}
{{- define "madang.parts" -}}
gateway: {port: 8443, calls: [catalog, pipeline, spec-store, survey], ckan: true}
catalog: {port: 9101, calls: [], outside: true, objects: true, ckan: true}
pipeline: {port: 9102, calls: [catalog], outside: true, objects: true}
spec-store: {port: 9103, calls: [pipeline]}
survey: {port: 9104, calls: [catalog], outside: true}
{{- end }}

{{- define "madang.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "madang.labels" -}}
{{ include "madang.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "madang.image" -}}
{{ printf "%s/madang-%s:%s" .root.Values.image.registry .part (.root.Values.image.tag | default .root.Chart.AppVersion) }}
{{- end }}

{{- /* The variable's word of a part: SPEC_STORE. */ -}}
{{- define "madang.word" -}}
{{- . | replace "-" "_" | upper -}}
{{- end }}

{{- define "madang.pod-security" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "madang.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* The environment of a part: .root, .part, .values, .about (its line of madang.parts). */ -}}
{{- define "madang.environment" -}}
{{- $root := .root }}
{{- $word := include "madang.word" .part }}
{{- $settings := merge (dict) (.values.settings | default dict) $root.Values.settings }}
- {name: MADANG_ENVIRONMENT, value: production}
- {name: MADANG_SECRETS_FILE, value: /run/secrets/madang/keys}
- name: MADANG_{{ $word }}_DATABASE_URL
  valueFrom:
    secretKeyRef:
      {{- $database := .values.database | default dict }}
      name: {{ $database.secret | default $root.Values.secrets.databases }}
      key: {{ $database.key | default (printf "%s_database_url" (lower $word)) }}
{{- if eq .part "gateway" }}
- name: MADANG_TLS_NAMES
  value: {{ concat (list "localhost" "127.0.0.1" (printf "%s-gateway" (include "madang.name" $root)) (printf "%s-gateway.%s.svc" (include "madang.name" $root) $root.Release.Namespace)) (ternary (list $root.Values.ingress.host) list $root.Values.ingress.enabled) $root.Values.gateway.names | uniq | toJson | quote }}
- name: MADANG_TRUSTED_PROXIES
  value: {{ $root.Values.gateway.trustedProxies | toJson | quote }}
{{- else }}
- {name: MADANG_{{ $word }}_LISTEN, value: "0.0.0.0:{{ .about.port }}"}
{{- end }}
{{- $all := include "madang.parts" $root | fromYaml }}
{{- range .about.calls }}
- {name: MADANG_{{ include "madang.word" . }}_URL, value: "http://{{ include "madang.name" $root }}-{{ . }}:{{ (index $all .).port }}"}
{{- end }}
{{- if and (eq .part "gateway") $root.Values.secrets.specStore }}
- name: MADANG_SPEC_STORE_UPDATE_SECRET
  valueFrom: {secretKeyRef: {name: {{ $root.Values.secrets.specStore }}, key: spec_store_update_secret}}
{{- end }}
{{- if .about.ckan }}
- {name: MADANG_CKAN_CONFIG, value: /etc/madang/ckan.json}
{{- end }}
{{- if .about.objects }}
{{- with $root.Values.objectStore }}
{{- if .url }}
- {name: MADANG_OBJECT_STORE_URL, value: {{ .url | quote }}}
- {name: AWS_REGION, value: {{ .region | quote }}}
{{- if .endpoint }}
- {name: AWS_ENDPOINT, value: {{ .endpoint | quote }}}
- {name: AWS_ALLOW_HTTP, value: {{ hasPrefix "http:" .endpoint | quote }}}
{{- end }}
{{- if .secret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: s3_access_key}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: s3_secret_key}}
{{- end }}
{{- else }}
- {name: MADANG_OBJECT_STORE_URL, value: "file:///var/lib/madang-objects"}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := $settings }}
{{- /* Helm reads whole numbers as floats and would print 1.048576e+06. */ -}}
{{- if kindIs "float64" $value }}{{ $value = int64 $value }}{{ end }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "madang.mounts" -}}
- {name: data, mountPath: /var/lib/madang}
- {name: tmp, mountPath: /tmp}
- {name: keys, mountPath: /run/secrets/madang, readOnly: true}
{{- if eq .part "gateway" }}
- {name: tls, mountPath: /var/lib/madang/tls, readOnly: true}
{{- end }}
{{- if .about.ckan }}
- {name: ckan, mountPath: /etc/madang, readOnly: true}
{{- end }}
{{- if and .about.objects (not .root.Values.objectStore.url) }}
- {name: objects, mountPath: /var/lib/madang-objects}
{{- end }}
{{- end }}

{{- /* Options of CKAN's face, as the program reads them. */ -}}
{{- define "madang.ckan" -}}
{{- $own := ternary (dict "ckan.site_url" (printf "https://%s" .Values.ingress.host)) dict .Values.ingress.enabled -}}
{{- merge (dict) .Values.ckan $own | toPrettyJson -}}
{{- end }}

{{- define "madang.keys" -}}
- name: keys
  secret:
    secretName: {{ .root.Values.secrets.keys }}
    defaultMode: 0440
    items: [{key: {{ lower (include "madang.word" .part) }}_keys, path: keys}]
{{- end }}

{{- /* All volumes of a part but `data`. */ -}}
{{- define "madang.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 64Mi}}
{{ include "madang.keys" . }}
{{- if eq .part "gateway" }}
- {name: tls, secret: {secretName: {{ .root.Values.secrets.tls }}, defaultMode: 0440}}
{{- end }}
{{- if .about.ckan }}
- {name: ckan, configMap: {name: {{ include "madang.name" .root }}-ckan}}
{{- end }}
{{- if and .about.objects (not .root.Values.objectStore.url) }}
- name: objects
  persistentVolumeClaim: {claimName: {{ .root.Values.objectStore.volume.claim | default (printf "%s-objects" (include "madang.name" .root)) }}}
{{- end }}
{{- end }}

{{- /* Where stores are, as rules of egress: .root, .objects (whether the object store too). Names are asked everywhere. */ -}}
{{- define "madang.to-stores" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- with .root.Values.networkPolicy.databases }}
- ports: [{port: {{ .port }}, protocol: TCP}]
  {{- with .peers }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- if and .objects .root.Values.objectStore.url }}
{{- with .root.Values.networkPolicy.objectStore }}
- ports: [{port: {{ .port }}, protocol: TCP}]
  {{- with .peers }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
