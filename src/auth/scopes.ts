/** What a key may do. */
export const scopes = ['admin', 'manage', 'publish', 'listen', 'jobs', 'read'] as const
export type Scope = (typeof scopes)[number]
