/**
 * Where facts come from: the workloads of this node and the policy objects. Either from a file and a folder of YAML
 * (`Directory`), or from a Kubernetes API server and the node's container runtime (`KubernetesSource`, `NriPlugin`).
 *
 * Everything that asks asks a `ClusterSource`.
 */

export { Directory } from './directory.ts'
export { ClusterError } from './error.ts'
export { Api } from './kubernetes/api.ts'
export { openCredentials } from './kubernetes/credentials.ts'
export { identityOfPod, podFactsOf } from './kubernetes/pod-facts.ts'
export { ProcSandboxes } from './kubernetes/proc-sandboxes.ts'
export { enforceKey, isEnforced } from './kubernetes/selection.ts'
export { kubernetesSettings } from './kubernetes/settings.ts'
export { KubernetesSource } from './kubernetes/source.ts'
export { readManifestTree } from './manifest-tree.ts'
export { reportFailures } from './report.ts'
export { NriPlugin } from './nri/plugin.ts'
export { formatYaml } from './yaml-text.ts'
export { parseYaml, readTextFile } from './yaml.ts'
export type { DirectoryOptions, DirectoryParts } from './directory.ts'
export type { ClusterErrorCode } from './error.ts'
export type { ApiRequest } from './kubernetes/api.ts'
export type { Credentials, CredentialSettings } from './kubernetes/credentials.ts'
export type { PodFacts, PodPlace } from './kubernetes/pod-facts.ts'
export type { ProcOptions, ProcParts } from './kubernetes/proc-sandboxes.ts'
export type { Sandbox } from './kubernetes/sandbox.ts'
export type { KubernetesSettings } from './kubernetes/settings.ts'
export type { FactsAge, KubernetesOptions, KubernetesParts } from './kubernetes/source.ts'
export type { NriOptions, NriParts } from './nri/plugin.ts'
export type { SandboxHandler } from './nri/session.ts'
export type { ManifestTree } from './manifest-tree.ts'
export type { CheckManifest } from './policy-file.ts'
export type { ReportParts } from './report.ts'
export type { ClusterChange, ClusterSource, Exclusions, LocalWorkload, Manifest, SourceFailure } from './source.ts'
export type { DirectorySettings, Place, WorkloadSettings } from './workloads.ts'
export type { YamlDocument, YamlPath } from './yaml.ts'
