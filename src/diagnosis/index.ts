/**
 * Looks into an endpoint on request, besides its deliveries: nothing here is kept, counts in statistics, or changes what
 * becomes of deliveries.
 *
 *   - **test-endpoint** sends one marked event, made and signed like a delivery, and shows what was sent and answered;
 *   - **diagnose-endpoint** examines URL, name, connection, certificate and clock, and what the last 24 hours were like. It
 *     sends no event.
 *
 * All of it goes through outbound, whose guard holds here as well. Both wait for somebody else's server, so that only some
 * may run at a time.
 */
export { type DiagnosisDeps, diagnoseEndpoint } from './diagnose-endpoint.ts'
export { createProbeRoom, type ProbeRoom } from './probe-room.ts'
export { type TestEndpointDeps, testEndpoint } from './test-endpoint.ts'
