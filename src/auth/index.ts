/**
 * Who may do what. A client presents an API key; the authenticator turns it into a **viewer**: a project, scopes, and
 * perhaps a limit to some of the project's sources. Edges ask `allows` before they call an operation. The operations
 * take the viewer's **reach** and treat whatever lies beyond it as if it did not exist.
 *
 * Keys end by being revoked or by themselves, and are never deleted. Their scopes are those that they were made with; the
 * sources that they are limited to, and their end, may change.
 */
export { type ApiKey, ApiKeyEntity } from './api-key.entity.ts'
export { type ApiKeyStore, createApiKeyStore } from './api-key-store.ts'
export { type Authenticator, createAuthenticator } from './authenticator.ts'
export { type CreateApiKeyInput, type CreatedApiKey, createApiKey } from './create-api-key.ts'
export { revokeApiKey } from './revoke-api-key.ts'
export { type Scope, scopes } from './scopes.ts'
export { type UpdateApiKeyInput, updateApiKey } from './update-api-key.ts'
export { allows, keepsRights, type Reach, seesAllOf, seesSource, type Viewer, wholeProject } from './viewer.ts'
