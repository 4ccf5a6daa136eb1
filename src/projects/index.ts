/**
 * A project is the tenant: everything else belongs to one, and what belongs to another is as if it did not exist. It is
 * made on the server (see src/sources, since it comes with a built-in source); no API key reaches beyond its own.
 */
export { findProject } from './find-project.ts'
export { checkRateLimit, checkRetention, type RateLimit, type Retention, retentionOf } from './limits.ts'
export type { Page } from './page.ts'
export { type Project, ProjectEntity } from './project.entity.ts'
export { updateProject } from './update-project.ts'
