/** Names of network interfaces, as settings have them. */

/** A name, or the beginning of names with `*` behind it: `cni0`, `cali*`. */
export function isInterfacePattern (text: string): boolean {
  return /^[A-Za-z0-9_.:-]{1,15}\*?$/.test(text)
}
