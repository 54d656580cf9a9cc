/**
 * Where facts come from: the workloads of this node and the policy objects, from a file and a folder of YAML.
 *
 * Everything that asks asks a `ClusterSource`; a Kubernetes one can take the place of `Directory`.
 */

export { Directory } from './directory.ts'
export { ClusterError } from './error.ts'
export { readManifestTree } from './manifest-tree.ts'
export { reportFailures } from './report.ts'
export { parseYaml, readTextFile } from './yaml.ts'
export type { DirectoryOptions, DirectoryParts } from './directory.ts'
export type { ClusterErrorCode } from './error.ts'
export type { ManifestTree } from './manifest-tree.ts'
export type { CheckManifest } from './policy-file.ts'
export type { ReportParts } from './report.ts'
export type { ClusterChange, ClusterSource, Exclusions, LocalWorkload, Manifest, SourceFailure } from './source.ts'
export type { DirectorySettings, Place, WorkloadSettings } from './workloads.ts'
export type { YamlDocument, YamlPath } from './yaml.ts'
