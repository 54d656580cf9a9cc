/** What can be wrong with an identity: two closed lists, each code a metric label and a field of the record. */

/** Why a peer's certificate chain is refused, in the order in which `verifyChain` looks. */
export type ChainErrorCode =
  | 'no-certificate'        // the chain is empty
  | 'too-large'             // more certificates or bytes than we are willing to read
  | 'malformed'             // not strict DER, not RFC 5280, or two parsers disagree about it
  | 'not-spiffe'            // not exactly one URI name, or not an ID of our form
  | 'bad-profile'           // an extension is missing, wrong, or critical and unknown to us
  | 'bad-algorithm'         // key or signature algorithm outside the list
  | 'bad-path'              // too long, or signed by a certificate that may not sign
  | 'other-trust-domain'    // signed, but by an authority that does not speak for the ID's trust domain
  | 'untrusted-root'        // leads to no root that we trust
  | 'bad-signature'         // names the right signer, whose key did not sign it
  | 'no-attributes'         // a plain SVID without our extension
  | 'attributes-too-large'  // our extension is beyond the bound
  | 'bad-attributes'        // our extension does not decode, or contradicts the ID
  | 'not-yet-valid'
  | 'expired'

/** Why our own side of identity cannot work. */
export type OwnErrorCode =
  | 'bad-authority'    // the authority's folder is not usable
  | 'bad-trust'        // a file of trusted roots is not usable
  | 'bad-request'      // asked to sign what no certificate may say

/** All of them. */
export type IdentityErrorCode = ChainErrorCode | OwnErrorCode

/** The only error that this folder throws on purpose; never holds key material. */
export class IdentityError extends Error {
  readonly code: IdentityErrorCode

  constructor (code: IdentityErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options)
    this.name = 'IdentityError'
    this.code = code
  }
}
