/**
 * A source is a named place that messages come in at. Its row holds what clients choose; its log's state is in
 * `source_heads` and `fan_out_marks`, made and removed with it and otherwise never written from here.
 *
 * Requests find their source in the directory, by the token or the names in the address, without touching the database
 * until the configuration changes. A deleted source takes its messages along: a task removes them after the commit.
 *
 * Each project has a built-in source besides, which nobody can send to: **system-source**.
 */
export { createProject } from './create-project.ts'
export { type CreateSourceInput, createSource } from './create-source.ts'
export { type DeleteSourceDeps, deleteSource } from './delete-source.ts'
export { purgeSource } from './purge-source.task.ts'
export { rotateSourceSecret } from './rotate-source-secret.ts'
export { rotateSourceToken } from './rotate-source-token.ts'
export { type Source, SourceEntity, type VerificationPreset } from './source.entity.ts'
export { eventsUrlOf, ingressUrlOf, queueUrlOf } from './source-addresses.ts'
export type { SourceDeps } from './source-configuration.ts'
export { createSourceDirectory, type IngressSource, type SourceDirectory } from './source-directory.ts'
export { defaultMaxBodyBytes } from './source-input.ts'
export { createSourceStore, type SourceStore } from './source-store.ts'
export { ensureSystemSource, ensureSystemSources } from './system-source.ts'
export { type UpdateSourceInput, updateSource } from './update-source.ts'
export type { VerificationInput } from './verification-input.ts'
