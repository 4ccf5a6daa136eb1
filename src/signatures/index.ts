export { checkSignatureFormat, type FormatIssue } from './signature-format.ts'
export type {
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
export { checkSecret, createVerifier, generateSecret, mappingOfPreset, presetDescriptions } from './verifier.ts'
