/** Of node-forge the one file that we load; the types know the package as a whole only. */

declare module 'node-forge/lib/asn1.js' {
  import forge from 'node-forge'

  const asn1: typeof forge.asn1
  export default asn1
}
