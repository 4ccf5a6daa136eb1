/**
 * Signatures: who signs what, as data. A preset or a described form comes down to a few proofs of which one must hold
 * (`proof.ts`), one of them being the signature that a SignatureFormat describes (`signature-proof.ts`). A verifier is
 * prepared once for a source's rules and secrets. For each request it first lets the provider's handshake speak, which
 * may repeat a challenge; then it tries the proofs, each with every active secret; then the handshake may answer what
 * was proven. A new provider is one entry of `presets.ts` and one row of `test/support/provider-requests.ts`.
 *
 * Deliveries sign by `standard-webhooks.ts` and `plain-sha256.ts`. Nothing here does I/O, keeps a clock or throws at what was sent.
 */
export { checkSignatureFormat, type FormatIssue } from './signature-format.ts'
export type {
  AcceptedResponse,
  ActiveSecret,
  Answered,
  Mapping,
  RefusalCode,
  Refused,
  SignatureAlgorithm,
  SignatureEncoding,
  SignatureFormat,
  Verdict,
  VerifiableRequest,
  VerificationPreset,
  VerificationRules,
  Verified,
  Verifier,
} from './verification.ts'
export {
  acceptedResponseOfPreset,
  checkSecret,
  createVerifier,
  generateSecret,
  mappingOfPreset,
  presetDescriptions,
} from './verifier.ts'
