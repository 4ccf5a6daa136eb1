/**
 * An endpoint is an outbound HTTP destination: where deliveries go, of which messages, in which form, signed how, tried
 * how often and how fast. Its row holds what clients choose; credentials and added header fields in it are sealed, and its
 * signing secrets are rows of their own. Whether and by whom it is sent to now is in `endpoint_states`, made and removed
 * with it.
 *
 * Fan-out reads the endpoints in its own transaction. Senders ask the directory, which answers from memory until the
 * configuration changes. The open deliveries of a deleted endpoint are canceled by a task after the commit.
 */
export { type CreatedEndpoint, type CreateEndpointInput, createEndpoint } from './create-endpoint.ts'
export { type DeleteEndpointDeps, deleteEndpoint } from './delete-endpoint.ts'
export { type Endpoint, EndpointEntity, type EndpointStatus } from './endpoint.entity.ts'
export type { EndpointDeps } from './endpoint-configuration.ts'
export { type ActiveEndpoint, createEndpointDirectory, type EndpointDirectory } from './endpoint-directory.ts'
export type { HeaderField } from './endpoint-headers.ts'
export { createEndpointStore, type EndpointFilter, type EndpointStore } from './endpoint-store.ts'
export { purgeEndpoint } from './purge-endpoint.task.ts'
export { filterText, readFilterText } from './stored-filter.ts'
export { type UpdateEndpointInput, updateEndpoint } from './update-endpoint.ts'
