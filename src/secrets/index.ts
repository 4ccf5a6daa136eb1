/** Secrets at rest: master keys from the operator, and the sealer that uses them. */
export { checkValue, generateMasterKey, type MasterKey, type MasterKeysResult, parseMasterKeys } from './master-keys.ts'
export { createSealer, type SealContext, SealError, type Sealer } from './sealer.ts'
