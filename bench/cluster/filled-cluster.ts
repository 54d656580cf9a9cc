/** A cluster that is full of objects, whoever serves them. */

export interface FilledCluster extends AsyncDisposable {
  /** `kubernetes` of node.yaml: where it is. */
  readonly settings: Readonly<Record<string, string>>
  /** Of the pods here, by name. */
  readonly uids: ReadonlyMap<string, string>
  /** Changes something of a pod elsewhere, as kubelets and controllers do all the time. */
  touch (i: number, text: string): Promise<void>
}
